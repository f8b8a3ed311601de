import { createStandIn } from '@surefoot/testing'
import { expect, test, vi } from 'vitest'

import { createFakeEnvironment } from '../../test/fake-environment.ts'
import type { FakeEnvironment } from '../../test/fake-environment.ts'
import { serve } from './serve.ts'

const OPTIONS = { port: 0, host: '127.0.0.1', logLevel: 'silent' }

async function urlOf(environment: FakeEnvironment): Promise<string> {
  await vi.waitFor(() => expect(environment.printed).toContain('ready'))
  return /http:\/\/[\d.]+:\d+/.exec(environment.printed)![0]
}

test('prints one line when it is ready, and ends with 0 when asked to', async () => {
  await using ollama = await createStandIn()
  const environment = createFakeEnvironment()
  const status = serve({ ...OPTIONS, backend: [ollama.url], model: 'smollm2:135m' }, environment)
  const url = await urlOf(environment)
  expect(environment.printed).toBe(`Surefoot is ready on ${url} (1 backend: ${ollama.url}, model smollm2:135m)\n`)
  environment.interrupt()
  expect(await status).toBe(0)
  expect(environment.listeners).toBe(0)
  expect(environment.complained).not.toContain('No Ollama answers')
})

test('says after that line when no backend answers, and what to do', async () => {
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: 'http://me:secret@127.0.0.1:1,http://127.0.0.1:2' })
  const status = serve(OPTIONS, environment)
  await urlOf(environment)
  await vi.waitFor(() => expect(environment.complained).not.toBe(''))
  expect(environment.complained).toBe(
    'No Ollama answers at http://127.0.0.1:1 or http://127.0.0.1:2 yet. Start it with `ollama serve`, Surefoot notices ' +
      'by itself; or correct --backend (OLLAMA_BASE_URL) and start again.\n',
  )
  environment.interrupt()
  expect(await status).toBe(0)
})

test('says nothing of the kind while one of two answers', async () => {
  await using ollama = await createStandIn()
  const environment = createFakeEnvironment()
  const status = serve({ ...OPTIONS, backend: ['http://127.0.0.1:1', ollama.url] }, environment)
  const url = await urlOf(environment)
  await fetch(`${url}/readyz`)
  environment.interrupt()
  await status
  expect(environment.complained).not.toContain('No Ollama answers')
})

test('the line names several backends without their passwords', async () => {
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: 'http://127.0.0.1:1,http://me:secret@127.0.0.1:2' })
  const status = serve(OPTIONS, environment)
  await urlOf(environment)
  expect(environment.printed).toContain('(2 backends: http://127.0.0.1:1, http://127.0.0.1:2, model llama3.2)')
  environment.interrupt()
  await status
})

test('a second signal ends running answers at once', async () => {
  await using ollama = await createStandIn({ answerTokens: 100_000, tokensPerSecond: 50 })
  const environment = createFakeEnvironment()
  const status = serve({ ...OPTIONS, backend: [ollama.url] }, environment)
  const url = await urlOf(environment)
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] })
  const response = await fetch(`${url}/api/chat`, { method: 'POST', body })
  environment.interrupt()
  expect((await fetch(`${url}/readyz`)).status).toBe(503)
  environment.interrupt()
  expect(await status).toBe(0)
  await expect(response.text()).rejects.toThrow()
  await vi.waitFor(() => expect(ollama.counts.openRequests).toBe(0))
})

test('takes its keys from SUREFOOT_KEY', async () => {
  const environment = createFakeEnvironment({ SUREFOOT_KEY: 'first, second' })
  const status = serve({ ...OPTIONS, host: '0.0.0.0' }, environment)
  const url = await urlOf(environment)
  expect((await fetch(`${url}/trpc/backends`)).status).toBe(401)
  const headers = { authorization: 'Bearer second' }
  expect((await fetch(`${url}/trpc/backends`, { headers })).status).toBe(200)
  environment.interrupt()
  await status
})

test.each([
  ['an open address without a key', { host: '0.0.0.0' }, {}, /without a key.*\n.*--key or SUREFOOT_KEY/],
  ['a CORS origin that is none', { corsOrigin: ['app.example'] }, {}, /'app\.example' is not an origin/],
  ['a preset that does not exist', { preset: 'fast' }, {}, /preset must be one of development, production, guide/],
  ['a variable out of range', {}, { OLLAMA_MAX_RETRIES: 'many' }, /OLLAMA_MAX_RETRIES must be .*"many"/],
])('%s is said in one sentence, with status 1', async (_name, options, env, sentence) => {
  const environment = createFakeEnvironment(env)
  expect(await serve({ ...OPTIONS, ...options }, environment)).toBe(1)
  expect(environment.complained).toMatch(sentence)
  expect(environment.printed).toBe('')
})
