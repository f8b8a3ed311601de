import { describe, expect, it } from 'vitest'

import { AnswerBuilder } from './create-answer.ts'
import type { Delta, Final } from './service.ts'

const BASE = { model: 'llama3.2', created_at: '2026-11-23T03:31:41Z' }
const FINAL: Final = {
  bytes: Buffer.alloc(0),
  chunk: {
    ...BASE,
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'length',
    total_duration: 10,
    eval_count: 3,
  },
}
const delta = (more: Partial<Delta>): Delta => ({
  type: 'delta',
  text: '',
  bytes: Buffer.alloc(0),
  chunk: { ...BASE, message: { role: 'assistant', content: '' }, done: false },
  ...more,
})
const HOW = { id: 'run-1', attempts: 2, backend: 'http://a:1', resumed: 0 }

describe('a whole answer', () => {
  it("has the text of all pieces, Ollama's fields and how it came about", () => {
    const builder = new AnswerBuilder()
    for (const text of ['Wa', 'ter', ' 💧']) builder.add(delta({ text }))
    expect(builder.finish(FINAL, HOW)).toEqual({
      ...BASE,
      message: { role: 'assistant', content: 'Water 💧' },
      done: true,
      done_reason: 'length',
      total_duration: 10,
      eval_count: 3,
      id: 'run-1',
      attempts: 2,
      backend: 'http://a:1',
      served: 'model',
      resumed: 0,
    })
  })

  it('puts thinking together, and tool calls in their order', () => {
    const builder = new AnswerBuilder()
    builder.add(delta({ thinking: 'Let me ' }))
    builder.add(delta({ thinking: 'see.' }))
    builder.add(delta({ toolCalls: [{ function: { name: 'a' } }] }))
    builder.add(delta({ text: 'x', toolCalls: [{ function: { name: 'b' } }] }))
    expect(builder.finish(FINAL, HOW).message).toEqual({
      role: 'assistant',
      content: 'x',
      thinking: 'Let me see.',
      tool_calls: [{ function: { name: 'a' } }, { function: { name: 'b' } }],
    })
  })

  it('knows the text so far', () => {
    const builder = new AnswerBuilder()
    expect(builder.text).toBe('')
    builder.add(delta({ text: 'half' }))
    expect(builder.text).toBe('half')
  })

  it('can be empty', () => {
    expect(new AnswerBuilder().finish(FINAL, HOW).message).toEqual({ role: 'assistant', content: '' })
  })
})
