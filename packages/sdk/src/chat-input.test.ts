import { SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput } from '@surefoot/protocol'
import { createAppRouter } from '@surefoot/server'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../test/fake-surefoot.ts'
import { inputToWire } from './chat-input.ts'

const chat = createAppRouter().createCaller({ surefoot: createFakeSurefoot() }).chat

/** Mostly right values, with every kind of wrong one among them. */
const odd = fc.constantFrom<unknown[]>(undefined, null, '', 'text', 0, 1, -1, true, [], {}, [1], [{}])
const messages = fc.oneof(
  fc.array(
    fc.record({
      role: fc.oneof({ weight: 8, arbitrary: fc.constant('user') }, odd),
      content: fc.oneof(fc.string(), odd),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  odd,
)
const bodies = fc.record(
  { messages, model: odd, options: odd, tools: odd, keep_alive: odd },
  { requiredKeys: ['messages'] },
)
const options = fc.record(
  {
    system: fc.oneof(fc.string(), odd),
    temperature: fc.oneof(fc.double({ min: 0, max: 2 }), odd),
    model: fc.oneof(fc.string(), odd),
    deadlineMs: fc.oneof(fc.nat(), odd),
  },
  { requiredKeys: [] },
)

test('what passes here passes on the server, and a body that is refused there is refused here with the same words', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), bodies), options, async (input, said) => {
      let wire: unknown
      try {
        wire = inputToWire(input as ChatInput, said as CallOptions)
      } catch (error) {
        expect(SurefootError.is(error) && error.code).toBe('INVALID_REQUEST')
        return
      }
      await chat(JSON.parse(JSON.stringify(wire)))
    }),
    { numRuns: 500 },
  )
})

test.each([
  { messages: [] },
  { messages: [{ role: 'user' }] },
  { messages: [{ role: 'user', content: 'Hi' }], stream: 'yes' },
  { messages: [{ role: 'user', content: 'Hi', images: [1] }] },
])('%j gets the same sentence here and there', async (body) => {
  const there = await chat(body as never).then(
    () => '',
    (error: Error) => error.message,
  )
  expect(() => inputToWire(body as unknown as ChatInput, {})).toThrow(there)
})

test("a deadline of no end is sent as the longest there is, and stream is the client's business", () => {
  const body = { messages: [{ role: 'user', content: 'Hi' }], stream: true }
  expect(JSON.parse(JSON.stringify(inputToWire(body, { deadlineMs: Infinity })))).toEqual({
    messages: body.messages,
    deadlineMs: Number.MAX_SAFE_INTEGER,
  })
})
