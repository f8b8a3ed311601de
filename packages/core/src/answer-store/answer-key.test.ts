import type { ChatRequest } from '@surefoot/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Call } from '../service.ts'
import { answerKey, isDeterministic } from './answer-key.ts'

const MESSAGES = [{ role: 'user', content: 'What is water?' }]

const callOf = (request: Partial<ChatRequest>, more: Partial<Call> = {}): Call => ({
  kind: 'chat',
  model: 'llama3.2',
  request: { model: 'llama3.2', messages: MESSAGES, ...request },
  buffered: false,
  ...more,
})
const keyOf = (request: Partial<ChatRequest>, more: Partial<Call> = {}): string | undefined =>
  answerKey(callOf(request, more), true)
const PLAIN = keyOf({ options: { temperature: 0 } })

/** The same fields in the opposite order. */
function reversed<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).toReversed()) as T
}

describe('the key of a question', () => {
  it('is a short digest that holds nothing of the question', () => {
    expect(PLAIN).toMatch(/^[\w-]{43}$/)
  })

  it.each<[string, Partial<ChatRequest>, Partial<Call>]>([
    ['how the answer is sent', { stream: true, keep_alive: '5m', options: { temperature: 0 } }, { buffered: true }],
    ['how the model is loaded', { options: { temperature: 0, num_thread: 4, num_batch: 64, use_mmap: false } }, {}],
    ['the size of the context', { options: { num_ctx: 8_192, temperature: 0 } }, {}],
    ['that the prompt is not to be cut', { options: { temperature: 0 }, truncate: false }, {}],
    ['that it is not said whether the prompt may be cut', { options: { temperature: 0 }, truncate: null }, {}],
    ['what is absent', { options: { temperature: 0, seed: undefined }, format: undefined, tools: undefined }, {}],
    ['who asks how urgently', { options: { temperature: 0 } }, { priority: 'high', affinityKey: 'k', stickyKey: 's' }],
  ])('does not depend on %s', (_what, request, more) => {
    expect(keyOf(request, more)).toBe(PLAIN)
  })

  it.each<[string, Partial<ChatRequest>, Partial<Call>]>([
    ['the model', { options: { temperature: 0 }, model: 'qwen3' }, {}],
    ['the tenant', { options: { temperature: 0 } }, { tenant: 'a' }],
    ['a tenant called null', { options: { temperature: 0 } }, { tenant: 'null' }],
    ['an option', { options: { temperature: 0, top_p: 0.5 } }, {}],
    ['an option that is 0', { options: { temperature: 0, seed: 0 } }, {}],
    ['a format', { options: { temperature: 0 }, format: 'json' }, {}],
    ['tools', { options: { temperature: 0 }, tools: [{ type: 'function' }] }, {}],
    ['thinking', { options: { temperature: 0 }, think: false }, {}],
    ['a field that is not known here', { options: { temperature: 0 }, later: { deep: [1] } }, {}],
    ['a field with a strange name', { options: { temperature: 0 }, later: JSON.parse('{"__proto__":1}') }, {}],
    ['images', { options: { temperature: 0 }, messages: [{ ...MESSAGES[0]!, images: ['aGk='] }] }, {}],
    ['the role', { options: { temperature: 0 }, messages: [{ role: 'system', content: 'What is water?' }] }, {}],
    ['that the prompt may be cut', { options: { temperature: 0 }, truncate: true }, {}],
  ])('depends on %s', (_what, request, more) => {
    expect(keyOf(request, more)).not.toBe(PLAIN)
  })

  it('where a prompt may be cut, depends on the size of the context too', () => {
    const key = (num_ctx: number, request: Partial<ChatRequest>, isGuarded: boolean): string | undefined =>
      answerKey(callOf({ ...request, options: { num_ctx } }), isGuarded)
    expect(key(512, {}, true)).toBe(key(8_192, {}, true))
    expect(key(512, {}, false)).not.toBe(key(8_192, {}, false))
    expect(key(512, { truncate: true }, true)).not.toBe(key(8_192, { truncate: true }, true))
  })

  it('is none for what cannot be printed', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    expect(keyOf({ later: circular })).toBeUndefined()
    expect(keyOf({ options: { seed: 1n } })).toBeUndefined()
  })

  it('does not depend on the order of the fields of request, messages and options, and on everything else', () => {
    const requestOf = (value: unknown): ChatRequest => ({
      messages: [{ role: 'user', content: 'hi', later: value }],
      options: { temperature: 0, later: value },
      later: value,
    })
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const request = requestOf(a)
        const { messages, options } = request
        const other = reversed({ ...request, messages: messages.map(reversed), options: reversed(options!) })
        expect(keyOf(other)).toBe(keyOf(request))
        expect(keyOf(requestOf(b)) === keyOf(request)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
      { numRuns: 500, seed: 1 },
    )
  })

  it('depends on the order of the fields of a format: a model writes them in that order', () => {
    const keyFor = (...names: string[]): string | undefined =>
      keyOf({ format: { type: 'object', properties: Object.fromEntries(names.map((name) => [name, {}])) } })
    expect(keyFor('why', 'answer')).not.toBe(keyFor('answer', 'why'))
  })
})

describe('a question is deterministic', () => {
  it.each([
    [true, { temperature: 0 }],
    [true, { temperature: 1, seed: 0 }],
    [true, { seed: -2 }],
    [true, { top_k: 1 }],
    [false, { temperature: 0.1 }],
    [false, { seed: -1 }],
    [false, { seed: '1' }],
    [false, { top_k: 40 }],
    [false, {}],
    [false, undefined],
  ])('%s with %j', (expected, options) => {
    expect(isDeterministic(callOf({ options }))).toBe(expected)
  })
})
