import { describe, expect, it } from 'vitest'

import type { ContinueFrom } from '../service.ts'
import { prefillExchange, rawExchange } from './continued-exchange.ts'
import type { Exchange } from './exchange.ts'

const HALF = 'Water is a clear'
const REQUEST = {
  model: 'llama3.2',
  messages: [{ role: 'user', content: 'What is water?' }],
  stream: true,
  keep_alive: '10m',
  options: { temperature: 0.7, num_ctx: 8_192, num_predict: 100 },
  truncate: false,
}
const from = (more: Partial<ContinueFrom> = {}): ContinueFrom => ({
  text: HALF,
  tokens: 40,
  digest: 'd',
  brokenOn: 'a',
  silentAtMs: new Map(),
  mode: 'chat-prefill',
  ...more,
})
const bodyOf = ({ body }: Exchange): Record<string, unknown> => JSON.parse(body.toString()) as Record<string, unknown>

const BASE = { model: 'llama3.2', created_at: '2026-11-23T03:31:41Z' }
const chatLine = (content: string): Buffer =>
  Buffer.from(JSON.stringify({ ...BASE, message: { role: 'assistant', content }, done: false }))
/** The text that is left of the lines of an answer. */
function texts(exchange: Exchange, lines: readonly Buffer[]): string[] {
  return lines.flatMap((line) => {
    const read = exchange.read(line)
    return read.kind === 'delta' ? [read.delta.text] : []
  })
}

describe('a half answer as a last assistant message', () => {
  it('is the same request with that message, and with what is left of num_predict', () => {
    const exchange = prefillExchange(REQUEST, from())
    expect(exchange.path).toBe('/api/chat')
    expect(bodyOf(exchange)).toEqual({
      ...REQUEST,
      messages: [...REQUEST.messages, { role: 'assistant', content: HALF }],
      options: { ...REQUEST.options, num_predict: 60 },
    })
  })

  it.each([
    [{ num_predict: 100 }, 200, { num_predict: 1 }],
    [{ num_predict: 0 }, 40, { num_predict: 0 }],
    [{ num_predict: -1 }, 40, { num_predict: -1 }],
    [{ seed: 3 }, 40, { seed: 3 }],
    [undefined, 40, undefined],
  ])('options %j after %i tokens', (options, tokens, expected) => {
    expect(bodyOf(prefillExchange({ ...REQUEST, options }, from({ tokens })))['options']).toEqual(expected)
  })

  it('without an echo every line passes as it came', () => {
    const exchange = prefillExchange(REQUEST, from())
    expect(texts(exchange, [chatLine(HALF), chatLine(' liquid')])).toEqual([HALF, ' liquid'])
  })

  it('its echo is left out, wherever it is cut into lines', () => {
    const echoed = `${HALF} liquid`
    for (let first = 1; first < echoed.length; first++) {
      for (let second = first; second < echoed.length; second++) {
        const lines = [echoed.slice(0, first), echoed.slice(first, second), echoed.slice(second)].map(chatLine)
        const read = texts(prefillExchange(REQUEST, from({ mode: 'chat-prefill+echo' })), lines)
        expect(read.join(''), `cut at ${first} and ${second}`).toBe(' liquid')
      }
    }
  })

  it('a line that lost its echo is a proper line of Ollama', () => {
    const exchange = prefillExchange(REQUEST, from({ mode: 'chat-prefill+echo' }))
    expect(exchange.read(chatLine(HALF)).kind).toBe('nothing')
    const other = prefillExchange(REQUEST, from({ mode: 'chat-prefill+echo' }))
    const line = other.read(chatLine(`${HALF} liquid`))
    if (line.kind !== 'delta') throw new Error(line.kind)
    expect(Buffer.from(line.delta.bytes).toString()).toBe(chatLine(' liquid').toString())
  })

  it('of what turns out to be no echo nothing is lost', () => {
    const exchange = prefillExchange(REQUEST, from({ mode: 'chat-prefill+echo' }))
    expect(texts(exchange, [chatLine('Water'), chatLine(' colour'), chatLine(HALF)])).toEqual(['Water colour', HALF])
  })
})

describe('a raw prompt', () => {
  const exchange = rawExchange(REQUEST, from({ mode: 'raw' }), '<|user|>What is water?<|assistant|>')

  it('is the rendered one with the half after it, and with the options that load the model', () => {
    expect(exchange.path).toBe('/api/generate')
    expect(bodyOf(exchange)).toEqual({
      model: 'llama3.2',
      keep_alive: '10m',
      prompt: `<|user|>What is water?<|assistant|>${HALF}`,
      raw: true,
      stream: true,
      truncate: false,
      options: { ...REQUEST.options, num_predict: 60 },
    })
  })

  it('is answered with chat lines', () => {
    const line = exchange.read(Buffer.from(JSON.stringify({ ...BASE, response: ' liquid', done: false })))
    if (line.kind !== 'delta') throw new Error(line.kind)
    expect(Buffer.from(line.delta.bytes).toString()).toBe(chatLine(' liquid').toString())
    const last = exchange.read(
      Buffer.from(
        JSON.stringify({ ...BASE, response: '', done: true, done_reason: 'stop', context: [1], eval_count: 7 }),
      ),
    )
    if (last.kind !== 'final') throw new Error(last.kind)
    const printed = {
      ...BASE,
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      eval_count: 7,
    }
    expect(last.rest).toBeUndefined()
    expect(Buffer.from(last.final.bytes).toString()).toBe(JSON.stringify(printed))
  })

  it('keeps the text of a last line, and its errors', () => {
    const last = exchange.read(Buffer.from(JSON.stringify({ ...BASE, response: '.', done: true, done_reason: 'stop' })))
    expect(last).toMatchObject({ kind: 'final', rest: { text: '.' } })
    expect(exchange.read(Buffer.from('{"error":"unexpected EOF"}'))).toEqual({ kind: 'error', text: 'unexpected EOF' })
    for (const bad of ['{}', '{"response":1,"done":false}', 'oops', '3']) {
      expect(exchange.read(Buffer.from(bad)).kind, bad).toBe('bad')
    }
  })
})
