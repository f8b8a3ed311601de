import fc from 'fast-check'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../test/fake-surefoot.ts'
import { createServer } from '../create-server.ts'
import { createFetchHandler } from '../fetch-handler.ts'
import { callerSignal } from './caller-signal.ts'
import { isDeeperThan, MAX_BODY_BYTES } from './read-body.ts'

const SENTENCE = 'The body of the request is over the limit of 10 MiB.'

const bodyOf = (bytes: number): string => {
  const frame = { messages: [{ role: 'user', content: '' }], stream: false }
  frame.messages[0]!.content = 'x'.repeat(bytes - JSON.stringify(frame).length)
  return JSON.stringify(frame)
}

function chunked(body: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(body)
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.subarray(at, (at += 65_536)))
    },
  })
}

test.each([
  ['/api/chat', 'whole'],
  ['/api/chat', 'chunked'],
  ['/trpc/chat', 'whole'],
  ['/trpc/chat', 'chunked'],
  ['/extra', 'whole'],
  ['/extra', 'chunked'],
])('on %s a %s body over 10 MiB is 413 with one sentence and no call', async (path, how) => {
  const surefoot = createFakeSurefoot()
  await using server = await createServer({
    surefoot,
    port: 0,
    extraRoutes: (app) => app.post('/extra', async (c) => c.text(String((await c.req.text()).length))),
  })
  const body = bodyOf(MAX_BODY_BYTES + 1)
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: how === 'chunked' ? chunked(body) : body,
    ...(how === 'chunked' && { duplex: 'half' }),
  } as RequestInit)
  expect(response.status).toBe(413)
  const json = (await response.json()) as { error: unknown }
  if (path === '/trpc/chat') {
    expect(json.error).toMatchObject({
      message: SENTENCE,
      data: { httpStatus: 413, code: 'PAYLOAD_TOO_LARGE', surefoot: { code: 'PAYLOAD_TOO_LARGE' } },
    })
  } else expect(json.error).toBe(SENTENCE)
  expect(surefoot.calls).toHaveLength(0)
})

test.each(['whole', 'chunked'])('a %s body of exactly 10 MiB is taken', async (how) => {
  const surefoot = createFakeSurefoot()
  await using server = await createServer({ surefoot, port: 0 })
  const body = bodyOf(MAX_BODY_BYTES)
  const response = await fetch(`${server.url}/api/chat`, {
    method: 'POST',
    body: how === 'chunked' ? chunked(body) : body,
    ...(how === 'chunked' && { duplex: 'half' }),
  } as RequestInit)
  expect(response.status).toBe(200)
  expect(surefoot.calls).toHaveLength(1)
})

test('a client that goes away from a chunked call stops the run', async () => {
  let ended = false
  const surefoot = createFakeSurefoot(
    (_sink, call) =>
      new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => {
          ended = true
          reject(call.signal.reason as Error)
        })
        setTimeout(() => abort.abort(), 20)
      }),
  )
  const abort = new AbortController()
  await using server = await createServer({ surefoot, port: 0 })
  const call = fetch(`${server.url}/api/chat`, {
    method: 'POST',
    body: chunked(bodyOf(1_000)),
    duplex: 'half',
    signal: abort.signal,
  } as RequestInit)
  await expect(call).rejects.toThrow()
  await expect.poll(() => ended, { timeout: 500 }).toBe(true)
})

test('on a route of one’s own the signal aborts with an AbortError when the client goes away', async () => {
  let reason: unknown
  await using server = await createServer({
    surefoot: createFakeSurefoot(),
    port: 0,
    extraRoutes: (app) =>
      app.post('/extra', (c) => {
        const signal = callerSignal(c.req.raw)
        return new Promise<Response>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject((reason = signal.reason) as Error))
          abort.abort()
        })
      }),
  })
  const abort = new AbortController()
  await expect(fetch(`${server.url}/extra`, { method: 'POST', body: '{}', signal: abort.signal })).rejects.toThrow()
  await expect.poll(() => reason).toMatchObject({ name: 'AbortError', message: 'The client went away' })
})

test('a Content-Length that says less than there is does not get round the limit', async () => {
  const surefoot = createFakeSurefoot()
  const { fetch: handle } = createFetchHandler({ surefoot, maxBodyBytes: 1000 })
  const response = await handle(
    new Request('http://localhost/api/chat', {
      method: 'POST',
      headers: { 'content-length': '10' },
      body: chunked(bodyOf(100_000)),
      duplex: 'half',
    } as RequestInit),
  )
  expect(response.status).toBe(413)
  expect(surefoot.calls).toHaveLength(0)
})

test.each(['/api/chat', '/trpc/chat', '/extra'])('on %s a million brackets are refused, not parsed', async (path) => {
  const handler = createFetchHandler({
    surefoot: createFakeSurefoot(),
    extraRoutes: (app) => app.post('/extra', async (c) => c.json(await c.req.json())),
  })
  const response = await handler.fetch(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '['.repeat(1_000_000),
    }),
  )
  expect(response.status).toBe(400)
  expect(await response.text()).toContain('The body is nested deeper than 64 levels.')
})

test('the depth of any JSON is counted right, brackets and quotes in strings included', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(8), (value, limit) => {
      expect(isDeeperThan(Buffer.from(JSON.stringify(value)), limit)).toBe(depthOf(value) > limit)
    }),
  )
})

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
