import { createStandIn, faults } from '@surefoot/testing'
import { expect, test, vi } from 'vitest'

import { createFakeEnvironment } from '../../test/fake-environment.ts'
import { startSystem } from '../../test/system.ts'
import { check } from './check.ts'

const COUNTS = { sequential: 10, concurrent: 20 }
const FEW = { sequential: 2, concurrent: 2 }

test.each(['in process', 'with --url'])('check passes against a working Ollama, %s', async (how) => {
  await using system = await startSystem()
  const isLocal = how === 'in process'
  const environment = createFakeEnvironment(isLocal ? { OLLAMA_BASE_URL: system.ollama.url } : {})
  expect(await check(isLocal ? COUNTS : { ...COUNTS, url: system.url }, environment)).toBe(0)
  const { printed } = environment
  expect(printed).toMatch(/\[10\/10\] ok \d+\.\d\d s "/)
  expect(printed).toMatch(/\[20\/20\] ok \d+\.\d\d s "/)
  expect(printed.match(/Successful: {3}\d+ \(100\.0%\)/g)).toHaveLength(2)
  expect(printed).toContain('closed → open → half-open → closed')
  expect(printed.trimEnd().split('\n').slice(-6)).toEqual([
    '🎉 ALL TESTS PASSED!',
    'The Ollama client is working reliably with:',
    '✅ Connection pooling',
    '✅ Retry logic',
    '✅ Circuit breaker pattern',
    '✅ Concurrent request handling',
  ])
  expect(environment.listeners).toBe(0)
})

test('check passes although every second request fails', async () => {
  await using ollama = await createStandIn()
  await ollama.fault(faults.internal({ every: 2 }))
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: ollama.url })
  expect(await check(FEW, environment)).toBe(0)
})

test('check stops with 1 and says what to do when nothing answers', async () => {
  const gone = await createStandIn()
  await gone.close()
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: gone.url })
  expect(await check(FEW, environment)).toBe(1)
  expect(environment.complained).toContain(`Cannot connect to Ollama at ${gone.url}`)
  expect(environment.complained).toMatch(/ollama serve.*OLLAMA_BASE_URL/)
  expect(environment.printed).not.toContain('TEST 2')
})

test('check says which model to pull', async () => {
  await using ollama = await createStandIn()
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: ollama.url, OLLAMA_MODEL: 'nope' })
  expect(await check(FEW, environment)).toBe(1)
  expect(environment.complained).toContain('Run: ollama pull nope')
})

test('check ends with 1 and each reason once when requests fail', async () => {
  await using ollama = await createStandIn()
  await ollama.fault(faults.status(400, { message: 'bad option' }))
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: ollama.url })
  expect(await check(FEW, environment)).toBe(1)
  expect(environment.printed).toContain('⚠️ SOME TESTS FAILED')
  expect(environment.printed.match(/❌ Sequential: 2 of 2 failed\./g)).toHaveLength(1)
  expect(environment.printed).not.toContain('ALL TESTS PASSED')
})

test('check says when there is no server at --url, and when the environment is wrong', async () => {
  const remote = createFakeEnvironment()
  expect(await check({ ...FEW, url: 'http://127.0.0.1:1' }, remote)).toBe(1)
  expect(remote.complained).toContain('Cannot connect to the Surefoot server at http://127.0.0.1:1.')
  const local = createFakeEnvironment({ OLLAMA_TIMEOUT: 'soon' })
  expect(await check(FEW, local)).toBe(1)
  expect(local.complained).toContain('OLLAMA_TIMEOUT must be')
})

test('check ends with 130 on Ctrl-C and stops what runs', async () => {
  await using ollama = await createStandIn({ answerTokens: 10_000, tokensPerSecond: 50 })
  const environment = createFakeEnvironment({ OLLAMA_BASE_URL: ollama.url })
  const status = check(COUNTS, environment)
  await vi.waitFor(() => expect(ollama.counts.tokens).toBeGreaterThan(3), { timeout: 5_000 })
  environment.interrupt()
  expect(await status).toBe(130)
  expect(environment.complained).toBe('Interrupted.\n')
  await vi.waitFor(() => expect(ollama.counts.openRequests).toBe(0), { timeout: 500 })
})
