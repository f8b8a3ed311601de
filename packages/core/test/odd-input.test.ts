import type { CallOptions, ChatInput } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { answerTo, failureOf, startPair } from './setup.ts'

const messages = [{ role: 'user', content: 'hi' }]
const circle: Record<string, unknown> = {}
circle['itself'] = circle

const wrong: Record<string, readonly [input: unknown, options: unknown, sentence: RegExp]> = {
  nothing: [undefined, undefined, /must be an object with messages/],
  null: [null, undefined, /must be an object with messages/],
  'options of null': ['hi', null, /options must be an object/],
  'options of null for a stream': [{ messages, stream: true }, null, /options must be an object/],
  'options that are a number': ['hi', 5, /options must be an object/],
  'a number': [7, undefined, /must be an object with messages/],
  'blanks only': [' \n', undefined, /must not be empty/],
  'no messages': [{ model: 'x' }, undefined, /messages/],
  'an empty list': [{ messages: [] }, undefined, /at least one message/],
  'a message without content': [{ messages: [{ role: 'user' }] }, undefined, /content must be a string/],
  'an integer too large for JSON': [{ messages, options: { seed: 10n } }, undefined, /cannot be written as JSON/],
  'an option that holds itself': [{ messages, options: circle }, undefined, /cannot be written as JSON/],
  'a name of 300 characters': ['hi', { model: 'x'.repeat(300) }, /at most 256 characters/],
  'a name that is no string': ['hi', { model: 7 }, /model must be a name/],
  'a signal that is none': ['hi', { signal: {} }, /signal must be an AbortSignal/],
  'a controller for a signal': ['hi', { signal: new AbortController() }, /signal must be an AbortSignal/],
  'a deadline of 0': ['hi', { deadlineMs: 0 }, /deadlineMs must be/],
  'a deadline that is no number': ['hi', { deadlineMs: Number.NaN }, /deadlineMs must be/],
  'a temperature of 3': ['hi', { temperature: 3 }, /temperature must be a number from 0 to 2/],
  'a system prompt that is no string': ['hi', { system: 7 }, /system must be a string/],
}

describe('what is wrong is refused with one sentence, and asks no backend', () => {
  for (const [name, [input, options, sentence]] of Object.entries(wrong)) {
    it(`${name}`, async () => {
      await using pair = await startPair()
      const error = await failureOf(pair.surefoot.chat(input as ChatInput, options as CallOptions))
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', httpStatus: 400 })
      expect(error.message).toMatch(sentence)
      expect(error.message.length).toBeLessThan(200)
      await expect(pair.surefoot.run(input as ChatInput, options as CallOptions).answer).rejects.toThrow(sentence)
      expect(pair.ollama.counts.connections).toBe(0)
      await pair.surefoot.close()
    })
  }
})

describe('what is odd but right is answered', () => {
  it('fields that nobody knows are handed on untouched', async () => {
    await using pair = await startPair()
    const body = JSON.parse('{"constructor":1,"toString":"x","unknown":{"a":[1]}}') as Record<string, unknown>
    expect((await pair.surefoot.chat({ ...body, messages })).message.content).toBe(answerTo('hi'))
    expect(pair.ollama.log.find(({ path }) => path === '/api/chat')!.body).toMatchObject({
      ...body,
      messages,
      model: 'llama3.2',
      stream: true,
    })
  })

  it('the input is left as it was', async () => {
    await using pair = await startPair()
    const input = Object.freeze({ messages: Object.freeze([Object.freeze({ role: 'user', content: 'hi' })]) })
    await pair.surefoot.chat(input, { system: 'Be kind.', temperature: 0 })
    expect(pair.ollama.log.find(({ path }) => path === '/api/chat')!.body).toMatchObject({
      messages: [{ role: 'system', content: 'Be kind.' }, ...input.messages],
      options: { temperature: 0 },
    })
  })

  it('an endless deadline is none', async () => {
    await using pair = await startPair()
    const answer = await pair.surefoot.chat('hi', { deadlineMs: Number.POSITIVE_INFINITY })
    expect(answer.message.content).toBe(answerTo('hi'))
  })

  it('a reason of null comes back as null', async () => {
    await using pair = await startPair()
    const controller = new AbortController()
    const answer = pair.surefoot.chat('hi', { signal: controller.signal })
    controller.abort(null)
    expect(await answer.catch((error: unknown) => error)).toBe(null)
  })
})
