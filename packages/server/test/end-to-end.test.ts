import { connect } from 'node:net'

import { createTRPCClient, httpBatchStreamLink, httpLink } from '@trpc/client'
import { createStandIn, faults } from '@surefoot/testing'
import type { Fault } from '@surefoot/testing'
import { expect, test, vi } from 'vitest'

import type { AppRouter } from '../src/router.ts'
import { startSystem } from './system.ts'
import type { System } from './system.ts'

const messages = [{ role: 'user', content: 'What is water?' }]
const answers = { '*': 'Water is a clear liquid.' }

function chat(url: string, body: Record<string, unknown> = {}, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/api/chat`, { method: 'POST', body: JSON.stringify({ messages, ...body }), ...init })
}

function clients(url: string) {
  return {
    plain: createTRPCClient<AppRouter>({ links: [httpLink({ url: `${url}/trpc` })] }),
    streaming: createTRPCClient<AppRouter>({ links: [httpBatchStreamLink({ url: `${url}/trpc`, maxItems: 1 })] }),
  }
}

test('lines come through as Ollama sends them, byte for byte', async () => {
  await using system = await startSystem({ answers })
  const body = { model: 'llama3.2', options: { seed: 1, temperature: 0 } }
  const through = (await (await chat(system.url, body)).text()).split('\n')
  const direct = (await (await chat(system.ollama.url, body)).text()).split('\n')
  // Instants and durations differ from run to run; everything else, order included, may not.
  const shape = (line: string) => line.replace(/"created_at":"[^"]*"/, '').replace(/"(\w+_duration)":\d+/g, '"$1"')
  expect(through.map(shape)).toEqual(direct.map(shape))
})

const KINDS: [name: string, fault: Fault][] = [
  ['refused', faults.refuse({ every: 2 })],
  ['reset before headers', faults.resetBeforeHeaders({ every: 2 })],
  ['reset on a reused socket', faults.resetReused({ every: 2 })],
  ['500', faults.internal({ every: 2 })],
  ['503', faults.unavailable({ every: 2 })],
]

test.each(KINDS)('every second request fails (%s): every answer arrives whole', async (_name, fault) => {
  await using system = await startSystem({ answers })
  await system.ollama.fault(fault)
  for (let call = 0; call < 10; call++) {
    const response = await chat(system.url, { stream: false })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ message: { content: 'Water is a clear liquid.' } })
  }
})

const LEAVERS: [name: string, leave: (system: System, signal: AbortSignal) => Promise<unknown>][] = [
  ['/api/chat streamed', async ({ url }, signal) => (await chat(url, {}, { signal })).text()],
  ['/api/chat whole', async ({ url }, signal) => await chat(url, { stream: false }, { signal })],
  ['tRPC chat', async ({ url }, signal) => await clients(url).plain.chat.mutate({ message: 'Hi' }, { signal })],
  [
    'tRPC chatStream',
    async ({ url }, signal) => {
      for await (const event of await clients(url).streaming.chatStream.mutate({ message: 'Hi' }, { signal }))
        void event
    },
  ],
]

test.each(LEAVERS)('a client of %s that goes away frees the backend within 0.5 s', async (_name, leave) => {
  await using system = await startSystem({ answerTokens: 1_000, tokensPerSecond: 100 })
  const abort = new AbortController()
  const call = leave(system, abort.signal)
  call.catch(() => {})
  await vi.waitFor(() => expect(system.ollama.counts.tokens).toBeGreaterThan(3))
  abort.abort()
  await vi.waitFor(() => expect(system.ollama.counts.openRequests).toBe(0), { timeout: 500, interval: 10 })
  await expect(call).rejects.toThrow()
  const [backend] = await clients(system.url).plain.backends.query()
  expect(backend?.inFlight).toBe(0)
  expect(system.logged).toEqual([])
})

test.each([
  ['/api/chat', 'Content-Length: 1000'],
  ['/api/chat', 'Transfer-Encoding: chunked'],
  ['/trpc/chat', 'Content-Length: 1000'],
  ['/trpc/chat', 'Transfer-Encoding: chunked'],
])('a client of %s that goes away within its body (%s) is no fault', async (path, length) => {
  await using system = await startSystem()
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${length}\r\n\r\n`
  const socket = connect(system.server.port, '127.0.0.1', () => {
    socket.write(`${head}1\r\n{\r\n`)
    setTimeout(() => socket.resetAndDestroy(), 20)
  })
  await new Promise((resolve) => socket.once('close', resolve))
  // Answered only after the server has dealt with the one before.
  await system.server.drain()
  await fetch(`${system.url}/livez`)
  expect(system.logged).toEqual([])
  expect(system.ollama.counts.requests).toBe(0)
})

test('nothing is left of calls that were ended at every moment', async () => {
  await using system = await startSystem({ answerTokens: 30, firstTokenMs: 10, tokensPerSecond: 1_000, slots: 4 })
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const call = chat(system.url, { stream: index % 2 === 0 }, { signal: AbortSignal.timeout(1 + index * 2) })
      await call.then((response) => response.text()).catch(() => {})
    }),
  )
  await vi.waitFor(async () => {
    expect(system.ollama.counts.openRequests).toBe(0)
    const [backend] = await clients(system.url).plain.backends.query()
    expect(backend?.inFlight).toBe(0)
    expect((await clients(system.url).plain.health.query()).waiting).toBe(0)
  })
  expect((await chat(system.url, { stream: false })).status).toBe(200)
})

test('a server that has closed leaves neither sockets nor timers', async () => {
  const counted = () => process.getActiveResourcesInfo().filter((kind) => /^(TCP.*Wrap|Timeout)$/.test(kind)).length
  const before = counted()
  {
    await using system = await startSystem({ answers })
    const headers = { connection: 'close' }
    await (await chat(system.url, {}, { headers })).text()
    await (await fetch(`${system.url}/readyz`, { headers })).text()
    await chat(system.url, { stream: false }, { headers, signal: AbortSignal.timeout(1) }).catch(() => {})
  }
  // Not waitFor, which sets timers itself: handles close within a few turns.
  for (let turn = 0; turn < 1_000 && counted() > before; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(counted()).toBeLessThanOrEqual(before)
})

test('a tRPC reader that does not read makes Ollama wait', async () => {
  // Long tokens, so that few of them fill what lies between the two.
  const long = 'x'.repeat(10_000)
  await using system = await startSystem({ answers: () => Array.from({ length: 20_000 }, () => long) })
  const response = await fetch(`${system.url}/trpc/chatStream?batch=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'trpc-accept': 'application/jsonl' },
    body: JSON.stringify({ 0: { message: 'Hi' } }),
  })
  let before = -1
  await vi.waitFor(
    () => {
      const now = system.ollama.counts.tokens
      const hasStopped = now === before
      before = now
      expect(hasStopped).toBe(true)
    },
    { interval: 300, timeout: 15_000 },
  )
  expect(before).toBeLessThan(10_000)
  await response.body?.cancel()
  await vi.waitFor(() => expect(system.ollama.counts.openRequests).toBe(0))
})

test.each([
  ['/api/chat', { messages: 'Hi' }],
  ['/api/chat', {}],
  ['/api/pull', { model: 'llama3.2' }],
  ['/trpc/chat', {}],
  ['/trpc/chat', { message: 5 }],
])('%s with %j reaches no backend', async (path, body) => {
  await using system = await startSystem()
  const response = await fetch(system.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBeGreaterThanOrEqual(400)
  expect(response.status).toBeLessThan(500)
  expect(system.ollama.counts.requests).toBe(0)
})

test('an unknown model is 404 with what to do, on every surface', async () => {
  await using system = await startSystem()
  const sentence = 'Model nope not found. Run: ollama pull nope'
  const rest = await chat(system.url, { model: 'nope' })
  expect([rest.status, await rest.json()]).toEqual([404, { error: sentence }])
  const { plain, streaming } = clients(system.url)
  await expect(plain.chat.mutate({ message: 'Hi', model: 'nope' })).rejects.toMatchObject({
    message: sentence,
    data: { httpStatus: 404, surefoot: { code: 'MODEL_NOT_FOUND' } },
  })
  await expect(
    (async () => {
      for await (const event of await streaming.chatStream.mutate({ message: 'Hi', model: 'nope' })) void event
    })(),
  ).rejects.toMatchObject({ message: sentence, data: { httpStatus: 404 } })
})

test('a wrong OLLAMA_BASE_URL says what to do, on every surface', async () => {
  const gone = await createStandIn()
  const { url } = gone
  await gone.close()
  await using system = await startSystem({}, { backends: url, waitForReadyMs: 0, deadlineMs: 500 })
  const rest = await chat(system.url)
  expect(rest.status).toBeGreaterThanOrEqual(502)
  expect(((await rest.json()) as { error: string }).error).toMatch(/ollama serve/)
  const failure = await clients(system.url)
    .plain.chat.mutate({ message: 'Hi' })
    .catch((error: { data?: { surefoot?: { hint?: string } } }) => error.data?.surefoot?.hint)
  expect(failure).toMatch(/ollama serve/)
  const ready = await fetch(`${system.url}/readyz`)
  expect(ready.status).toBe(503)
  expect(((await ready.json()) as { message: string }).message).toContain(url)
})

test('10 of 10 in a row and 20 of 20 at once', async () => {
  await using system = await startSystem({ answers, firstTokenMs: 5 })
  const ask = async () => (await chat(system.url, { stream: false })).status
  for (let call = 0; call < 10; call++) expect(await ask()).toBe(200)
  expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(Array<number>(20).fill(200))
})
