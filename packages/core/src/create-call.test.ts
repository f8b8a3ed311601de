import { SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { readConfig } from './config/read-config.ts'
import { createCall } from './create-call.ts'
import type { Call } from './service.ts'

const CONFIG = readConfig()
const MESSAGES = [{ role: 'user', content: 'What is water?' }]

const call = (input: ChatInput, options: CallOptions = {}): Call => createCall(input, options, CONFIG)
/** What goes to the backend. */
const sent = (input: ChatInput, options?: CallOptions): unknown => call(input, options).request

/** The sentence that this is refused with. */
function refusal(input: unknown, options: unknown = {}): string {
  try {
    createCall(input as ChatInput, options as CallOptions, CONFIG)
  } catch (error) {
    expect(SurefootError.is(error) && [error.code, error.httpStatus]).toEqual(['INVALID_REQUEST', 400])
    return (error as Error).message
  }
  return expect.fail('accepted')
}

describe('a plain question', () => {
  it('is one message, for the configured model, at 0.7, always streamed', () => {
    expect(sent('What is water?')).toEqual({
      model: 'llama3.2',
      messages: MESSAGES,
      options: { temperature: 0.7 },
      stream: true,
    })
  })

  it('takes system prompt, temperature and model from beside it; 0 is a temperature', () => {
    expect(sent('What is water?', { system: 'Be brief.', temperature: 0, model: 'qwen3:8b' })).toEqual({
      model: 'qwen3:8b',
      messages: [{ role: 'system', content: 'Be brief.' }, ...MESSAGES],
      options: { temperature: 0 },
      stream: true,
    })
  })

  it.each(['', '   \n'])('an empty one is refused: %j', (text) => {
    expect(refusal(text)).toBe('The message must not be empty.')
  })
})

describe("Ollama's own body", () => {
  it('goes on as it is, with what Surefoot does not know; no temperature is added', () => {
    const body = {
      model: 'qwen3:8b',
      messages: [{ role: 'user', content: 'x', images: ['aGVsbG8='], extra: 1 }],
      options: { num_ctx: 8192, seed: 0 },
      format: 'json',
      think: false,
      keep_alive: -1,
      a_field_of_tomorrow: { deep: [true] },
    }
    expect(sent(body)).toEqual({ ...body, stream: true })
    expect(sent({ messages: MESSAGES })).toEqual({ model: 'llama3.2', messages: MESSAGES, stream: true })
  })

  it('is streamed from the backend also when the caller wants it whole', () => {
    expect(sent({ messages: MESSAGES, stream: false })).toMatchObject({ stream: true })
    expect(call({ messages: MESSAGES, stream: false }, { buffered: true }).buffered).toBe(true)
    expect(call({ messages: MESSAGES }).buffered).toBe(false)
  })

  it('options beside it go first; a system prompt only where there is none', () => {
    expect(
      sent({ messages: MESSAGES, model: 'a', options: { seed: 1 } }, { model: 'b', temperature: 1.5 }),
    ).toMatchObject({
      model: 'b',
      options: { seed: 1, temperature: 1.5 },
    })
    const own = [{ role: 'system', content: 'mine' }, ...MESSAGES]
    expect(sent({ messages: own }, { system: 'other' })).toMatchObject({ messages: own })
    expect(sent({ messages: MESSAGES }, { system: 'other' })).toMatchObject({
      messages: [{ role: 'system', content: 'other' }, ...MESSAGES],
    })
  })

  it('of the caller is never changed, nor does a later change of it reach the backend', () => {
    const body = Object.freeze({ messages: Object.freeze([Object.freeze({ role: 'user', content: 'x' })]) })
    const made = call(body, { system: 's', temperature: 1 })
    expect(body).toEqual({ messages: [{ role: 'user', content: 'x' }] })
    const open = { messages: [{ role: 'user', content: 'before' }] }
    const second = call(open)
    open.messages[0]!.content = 'after'
    expect(second.request.messages[0]?.content).toBe('before')
    expect(made.request.messages).toHaveLength(2)
  })

  it('a model has one name for queues and slots, but the backend is asked for it as written', () => {
    const made = call({ model: 'llama3.2:latest', messages: MESSAGES })
    expect(made.model).toBe('llama3.2')
    expect(made.request.model).toBe('llama3.2:latest')
  })
})

describe('what is known to be wrong never reaches a backend, and is said in one sentence', () => {
  it.each([
    [undefined, 'The request must be an object with messages.'],
    [null, 'The request must be an object with messages.'],
    [5, 'The request must be an object with messages.'],
    [{}, 'messages must be a list of messages.'],
    [{ messages: [] }, 'messages must hold at least one message.'],
    [{ messages: 'hello' }, 'messages must be a list of messages.'],
    [{ messages: ['hello'] }, 'In messages[0]: a message must be an object with role and content.'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content must be a string.'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages[0].content must be a string.'],
    [{ messages: MESSAGES, model: 5 }, 'model must be a string.'],
    [{ messages: MESSAGES, stream: 'yes' }, 'stream must be true or false.'],
    [{ messages: MESSAGES, options: 5 }, 'options must be an object.'],
  ])('%j', (input, sentence) => {
    expect(refusal(input)).toBe(sentence)
  })

  it.each([
    [{ temperature: 2.1 }, 'temperature must be a number from 0 to 2.'],
    [{ temperature: '1' }, 'temperature must be a number from 0 to 2.'],
    [{ temperature: Number.NaN }, 'temperature must be a number from 0 to 2.'],
    [{ model: ' ' }, 'model must be a name that is not empty.'],
    [{ model: 'x'.repeat(257) }, 'model must have at most 256 characters.'],
    [{ system: 5 }, 'system must be a string.'],
    [{ deadlineMs: 0 }, 'deadlineMs must be a number of milliseconds greater than 0.'],
    [{ deadlineMs: Number.NaN }, 'deadlineMs must be a number of milliseconds greater than 0.'],
    [{ priority: 'urgent' }, 'priority must be critical, high, normal or low.'],
    [{ resume: 'yes' }, 'resume must be true or false.'],
    [{ cache: 1 }, 'cache must be true or false.'],
    [{ stickyKey: '' }, 'stickyKey must be a text of 1 to 256 characters.'],
    [{ tenant: '' }, 'tenant must be a text of 1 to 256 characters.'],
    [{ affinityKey: 'x'.repeat(257) }, 'affinityKey must be a text of 1 to 256 characters.'],
    [{ signal: {} }, 'signal must be an AbortSignal.'],
    [{ signal: null }, 'signal must be an AbortSignal.'],
  ])('beside the question: %j', (options, sentence) => {
    expect(refusal('What is water?', options)).toBe(sentence)
  })

  it('never repeats the question', () => {
    expect(
      refusal({
        messages: [
          { role: 'user', content: 'my secret' },
          { role: 5, content: 'my secret' },
        ],
      }),
    ).not.toContain('secret')
  })
})
