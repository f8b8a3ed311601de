import { expect, test } from 'vitest'
import { z } from 'zod'

import { chatRequestSchema } from './chat.ts'
import { sentenceFromIssues } from './sentence.ts'

const user = { role: 'user', content: 'Hi' }

function sentenceFor(value: unknown): string | undefined {
  const { error } = chatRequestSchema.safeParse(value)
  return error === undefined ? undefined : sentenceFromIssues(error)
}

test.each([
  ['no object', 5, 'The request must be an object with messages.'],
  ['no messages', {}, 'messages must be a list of messages.'],
  ['an empty list', { messages: [] }, 'messages must hold at least one message.'],
  [
    'a message that is none',
    { messages: ['Hi'] },
    'In messages[0]: a message must be an object with role and content.',
  ],
  ['no content', { messages: [user, { role: 'user' }] }, 'messages[1].content must be a string.'],
  ['an empty role', { messages: [{ ...user, role: '' }] }, 'messages[0].role must not be empty.'],
  [
    'an image that is none',
    { messages: [{ ...user, images: [1] }] },
    'In messages[0].images[0]: an image must be a string.',
  ],
  ['a model that is a number', { model: 7, messages: [user] }, 'model must be a string.'],
  ['an empty model', { model: '', messages: [user] }, 'model must not be empty.'],
  ['a blank model', { model: '   ', messages: [user] }, 'model must not be empty.'],
  [
    'a duration that is none',
    { keep_alive: {}, messages: [user] },
    'keep_alive must be a duration or a number of seconds.',
  ],
  ['stream as text', { messages: [user], stream: 'yes' }, 'stream must be true or false.'],
  ['options as a list', { messages: [user], options: [] }, 'options must be an object.'],
  ['tools as an object', { messages: [user], tools: {} }, 'tools must be a list.'],
])('%s', (_what, value, sentence) => {
  expect(sentenceFor(value)).toBe(sentence)
})

test('a body with all of Ollama and more passes, and keeps what Surefoot does not know', () => {
  const body = {
    model: 'tiny',
    messages: [
      { ...user, images: ['aGk='], name: 'Ada' },
      { role: 'assistant', content: '', tool_calls: [{ function: {} }] },
    ],
    format: { type: 'object' },
    tools: [{}],
    think: 'high',
    keep_alive: -1,
    options: { seed: 0 },
    logprobs: true,
  }
  expect(chatRequestSchema.parse(body)).toEqual(body)
})

test('an issue without a path or without issues at all is still a sentence', () => {
  expect(sentenceFromIssues(new z.ZodError([{ code: 'custom', path: [], message: 'it is wrong.', input: 1 }]))).toBe(
    'It is wrong.',
  )
  expect(sentenceFromIssues(new z.ZodError([]))).toBe('The request is not valid.')
})
