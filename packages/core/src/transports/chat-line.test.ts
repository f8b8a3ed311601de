import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { readChatLine } from './chat-line.ts'
import type { ChatLine } from './chat-line.ts'

const read = (line: unknown): ChatLine =>
  readChatLine(Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)))

const BASE = { model: 'llama3.2', created_at: '2026-11-23T03:31:41.516328897Z' }
const message = (content: string) => ({ role: 'assistant', content })

/** The lines of a recorded answer. */
function recorded(name: string): string[] {
  const text = readFileSync(new URL(`../../../testing/recordings/0.32.15/${name}.txt`, import.meta.url), 'utf8')
  return text
    .split(/^<<< RESPONSE .*\n/m)[1]!
    .split(/\n=== END/)[0]!
    .split('\n')
    .filter((line) => line.startsWith('{'))
}

describe('a line of an answer', () => {
  it('is a delta with its text, and its bytes untouched', () => {
    const line =
      '{"model":"llama3.2","created_at":"2026-11-23T03:31:41Z","message":{"role":"assistant","content":"Wa"},"done":false, "new":1}'
    const result = read(line)
    if (result.kind !== 'delta') expect.fail(result.kind)
    expect(result.delta.text).toBe('Wa')
    expect(Buffer.from(result.delta.bytes).toString()).toBe(line)
    expect(result.delta.chunk).toEqual(JSON.parse(line))
  })

  it('shows nothing but its parts when it is printed', () => {
    const result = read({ ...BASE, message: message('Wa'), done: false })
    if (result.kind !== 'delta') expect.fail(result.kind)
    expect(JSON.parse(JSON.stringify(result.delta))).toEqual({ type: 'delta', text: 'Wa' })
  })

  it('can hold thinking or tool calls, without text', () => {
    const calls = [{ function: { name: 'look', arguments: { b: 1, a: 2 } } }]
    expect(read({ ...BASE, message: { ...message(''), thinking: 'hm' }, done: false })).toMatchObject({
      kind: 'delta',
      delta: { text: '', thinking: 'hm' },
    })
    expect(read({ ...BASE, message: { ...message(''), tool_calls: calls }, done: false })).toMatchObject({
      kind: 'delta',
      delta: { text: '', toolCalls: calls },
    })
  })

  it('has no thinking and no tool calls where they are null', () => {
    const nulls = { ...message('Wa'), thinking: null, tool_calls: null }
    const result = read({ ...BASE, message: nulls, done: false })
    if (result.kind !== 'delta') expect.fail(result.kind)
    expect(JSON.parse(JSON.stringify(result.delta))).toEqual({ type: 'delta', text: 'Wa' })
    expect(result.delta.chunk).toEqual({ ...BASE, message: message('Wa'), done: false })
    const line = { ...BASE, message: { ...nulls, content: '' }, done: true, done_reason: 'stop' }
    expect(read(line)).toEqual({
      kind: 'final',
      rest: undefined,
      final: { bytes: Buffer.from(JSON.stringify(line)), chunk: { ...line, message: message('') } },
    })
  })

  it('of every recorded stream is read: deltas, then the final line', () => {
    for (const name of ['post-chat-stream', 'num-predict-limit', 'tools-nonstream', 'format-json']) {
      const kinds = recorded(name).map((line) => read(line).kind)
      expect(kinds.at(-1), name).toBe('final')
      expect(
        kinds.slice(0, -1).every((kind) => kind === 'delta'),
        name,
      ).toBe(true)
    }
  })
})

describe('the final line', () => {
  it('has the reason and the statistics, and its bytes untouched', () => {
    const line = recorded('post-chat-stream').at(-1)!
    const result = read(line)
    if (result.kind !== 'final') expect.fail(result.kind)
    expect(result.rest).toBeUndefined()
    expect(Buffer.from(result.final.bytes).toString()).toBe(line)
    expect(result.final.chunk).toMatchObject({ done: true, done_reason: 'stop' })
    expect(result.final.chunk.eval_count).toBeGreaterThan(0)
  })

  it.each(['stop', 'length', 'load', 'unload'])('F27: the reason %s is passed on', (reason) => {
    const result = read({ ...BASE, message: message(''), done: true, done_reason: reason })
    expect(result).toMatchObject({ kind: 'final', final: { chunk: { done_reason: reason } } })
  })

  it('F22: some engines set only the reason', () => {
    for (const done of [{}, { done: false }]) {
      expect(read({ ...BASE, message: message(''), ...done, done_reason: 'stop' })).toMatchObject({
        kind: 'final',
        final: { chunk: { done: true, done_reason: 'stop' } },
      })
    }
  })

  it('an empty reason is none', () => {
    expect(read({ ...BASE, message: message('x'), done: false, done_reason: '' }).kind).toBe('delta')
  })

  it('that still holds text is a delta and an empty final line: shown once, not twice', () => {
    const line = { ...BASE, message: message('whole'), done: true, done_reason: 'stop', eval_count: 7 }
    const result = read(line)
    if (result.kind !== 'final') expect.fail(result.kind)
    expect(result.rest?.text).toBe('whole')
    expect(JSON.parse(Buffer.from(result.rest!.bytes).toString())).toEqual({
      ...BASE,
      message: message('whole'),
      done: false,
    })
    expect(JSON.parse(Buffer.from(result.final.bytes).toString())).toEqual({ ...line, message: message('') })
    expect(result.final.chunk.message.content).toBe('')
  })
})

describe('a failure inside a 200', () => {
  it('is an error line, with its text', () => {
    const lines = recorded('kill9-runner-midstream')
    expect(read(lines.at(-1)!)).toEqual({
      kind: 'error',
      text: 'an error was encountered while running the model: unexpected EOF',
    })
    expect(read({ error: { message: 'nested', code: 500 } })).toEqual({
      kind: 'error',
      text: '{"message":"nested","code":500}',
    })
    expect(read({ ...BASE, message: message('half'), done: true, error: 'no' }).kind).toBe('error')
  })

  it.each([
    'not json',
    '{"model":"x"',
    '[]',
    'null',
    '5',
    '"text"',
    '{}',
    '{"done":true}',
    '{"message":{"role":"assistant"},"done":false}',
    '{"message":{"content":5},"done":false}',
    '{"message":"text","done":false}',
    '{"message":{"content":"x","thinking":5},"done":false}',
    '{"message":{"content":"x","tool_calls":{}},"done":false}',
    '{"message":{"role":"assistant","content":"x"}}',
    '{"message":{"role":"assistant","content":"x"},"done":"yes"}',
    '<html>502</html>',
  ])('F25: anything else is bad, never skipped: %s', (line) => {
    expect(read(line)).toEqual({ kind: 'bad' })
  })

  it('bytes that are not UTF-8 inside a text do not break the reader', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"model":"m","created_at":"","message":{"role":"assistant","content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"},"done":false}'),
    ])
    expect(readChatLine(bytes).kind).toBe('delta')
  })
})
