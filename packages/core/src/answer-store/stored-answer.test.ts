import type { ChatAnswer } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { readAnswer, replyFrom, writeAnswer } from './stored-answer.ts'

const ANSWER: ChatAnswer = {
  model: 'llama3.2',
  created_at: '2026-11-23T03:31:41Z',
  message: { role: 'assistant', content: 'Water is wet.', thinking: 'Hm.', tool_calls: [{ function: { name: 'f' } }] },
  done: true,
  done_reason: 'stop',
  total_duration: 7_000_000_000,
  eval_count: 4,
  id: 'run-1',
  served: 'model',
  variant: 'test/a',
  attempts: 2,
  resumed: 1,
  backend: 'http://a:1',
}
const WRITTEN = writeAnswer(ANSWER, 1_000, 'sha256:d') as string

/** The same value with something in it replaced. */
const changed = (change: (value: Record<string, object>) => unknown): string =>
  JSON.stringify(change(JSON.parse(WRITTEN) as Record<string, object>))

describe('a kept answer', () => {
  it('is what Ollama said, without whose call it was', async () => {
    const stored = readAnswer(WRITTEN)!
    expect(stored).toMatchObject({ cachedAtMs: 1_000, digest: 'sha256:d' })
    expect(WRITTEN).not.toMatch(/run-1|served|attempts|resumed|variant|backend/)
    const { how, body, backend } = replyFrom(stored)!
    expect([how, backend]).toEqual([{ served: 'cache', cachedAtMs: 1_000 }, ''])
    const delta = await body.next()
    expect(delta.value).toMatchObject({ text: 'Water is wet.', thinking: 'Hm.', toolCalls: ANSWER.message.tool_calls })
    const { value: final, done } = await body.next()
    expect(done).toBe(true)
    const { model, created_at, done_reason, total_duration, eval_count } = ANSWER
    expect(JSON.parse(Buffer.from(final!.bytes).toString())).toEqual({
      model,
      created_at,
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason,
      total_duration,
      eval_count,
    })
  })

  it.each<[string, Partial<ChatAnswer>]>([
    ['was cut short', { done_reason: 'length' }],
    ['does not say why it ended', { done_reason: undefined }],
    ['came from the cache', { served: 'cache' }],
    ['came from another model', { served: 'degraded' }],
    ['came from no model', { served: 'fallback' }],
    ['says nothing', { message: { role: 'assistant', content: ' \n' } }],
    ['thinks and says nothing', { message: { role: 'assistant', content: '', thinking: 'Hm.' } }],
  ])('is none that %s', (_what, more) => {
    expect(writeAnswer({ ...ANSWER, ...more }, 1_000, undefined)).toBeUndefined()
  })

  it('is none when it cannot be printed', () => {
    const stored = readAnswer(WRITTEN)!
    expect(replyFrom({ ...stored, final: { ...stored.final, eval_count: 1n as unknown as number } })).toBeUndefined()
  })

  it('may be nothing but a call of a tool', () => {
    const message = { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f' } }] }
    expect(readAnswer(writeAnswer({ ...ANSWER, message }, 1_000, undefined) as string)?.delta.message).toEqual(message)
  })

  it.each<[string, string]>([
    ['nothing', ''],
    ['half of it', WRITTEN.slice(0, -10)],
    ['a number', '7'],
    ['an answer of another form', changed((value) => ({ ...value, form: 2 }))],
    ['no time', changed(({ cachedAtMs: _cachedAtMs, ...rest }) => rest)],
    ['no text', changed((value) => ({ ...value, delta: { ...value['delta'], message: {} } }))],
    ['text of another type', WRITTEN.replace('"Water is wet."', '{"html":"<script>"}')],
    ['no end', changed((value) => ({ ...value, final: { ...value['final'], done: false } }))],
    ['a count that is none', changed((value) => ({ ...value, final: { ...value['final'], eval_count: 'many' } }))],
    ['a time that no date can be', changed((value) => ({ ...value, cachedAtMs: 1e300 }))],
    ['another end', changed((value) => ({ ...value, final: { ...value['final'], done_reason: 'length' } }))],
  ])('is not read from %s', (_what, written) => {
    expect(readAnswer(written)).toBeUndefined()
  })
})
