import { faults } from '@surefoot/testing'
import { Ollama } from 'ollama'
import { expect, test, vi } from 'vitest'

import { startSystem } from './system.ts'

const messages = [{ role: 'user', content: 'What is water?' }]
const answers = { '*': 'Water is a clear liquid.' }

test('the package ollama: one whole answer', async () => {
  await using system = await startSystem({ answers })
  const answer = await new Ollama({ host: system.url }).chat({ model: 'llama3.2', messages })
  expect(answer.message).toEqual({ role: 'assistant', content: 'Water is a clear liquid.' })
  expect(answer).toMatchObject({ done: true, done_reason: 'stop', model: 'llama3.2' })
})

test('the package ollama: a stream', async () => {
  await using system = await startSystem({ answers })
  let text = ''
  let last
  for await (const part of await new Ollama({ host: system.url }).chat({ model: 'llama3.2', messages, stream: true })) {
    text += part.message.content
    last = part
  }
  expect(text).toBe('Water is a clear liquid.')
  expect(last).toMatchObject({ done: true, done_reason: 'stop' })
})

test('the package ollama: lists', async () => {
  await using system = await startSystem()
  const ollama = new Ollama({ host: system.url })
  expect((await ollama.list()).models.map((model) => model.name).toSorted()).toEqual([
    'llama3.2:latest',
    'smollm2:135m',
  ])
  expect(await ollama.version()).toEqual({ version: '0.32.15' })
  expect((await ollama.ps()).models).toBeInstanceOf(Array)
})

test('the package ollama: abort stops the generation', async () => {
  await using system = await startSystem({ answerTokens: 1_000, tokensPerSecond: 100 })
  const ollama = new Ollama({ host: system.url })
  const stream = await ollama.chat({ model: 'llama3.2', messages, stream: true })
  await expect(
    (async () => {
      for await (const part of stream) if (part.message.content !== '') stream.abort()
    })(),
  ).rejects.toMatchObject({ name: 'AbortError' })
  await vi.waitFor(() => expect(system.ollama.counts.openRequests).toBe(0), { timeout: 500 })
  expect(system.ollama.counts.canceled).toBe(1)
})

test.each([true, false])('the package ollama: an unknown model (stream: %s)', async (stream) => {
  await using system = await startSystem()
  const ollama = new Ollama({ host: system.url })
  await expect(ollama.chat({ model: 'nope', messages, stream: stream as false })).rejects.toMatchObject({
    name: 'ResponseError',
    status_code: 404,
    message: 'Model nope not found. Run: ollama pull nope',
  })
})

test('the package ollama: a stream that breaks is an error, never a short answer', async () => {
  await using system = await startSystem({ answers }, { resume: false })
  await system.ollama.fault(faults.errorLine({ afterTokens: 2 }))
  const stream = await new Ollama({ host: system.url }).chat({ model: 'llama3.2', messages, stream: true })
  await expect(
    (async () => {
      for await (const part of stream) void part
    })(),
  ).rejects.toThrow()
})
