import { connect } from 'node:net'

import { expect, test, vi } from 'vitest'

import { createFakeSurefoot, hangAfter, say } from '../test/fake-surefoot.ts'
import { rawRequest } from '../test/raw-request.ts'
import { createServer } from './create-server.ts'

const messages = [{ role: 'user', content: 'Hi' }]

function chat(url: string, stream = true): Promise<Response> {
  return fetch(`${url}/api/chat`, { method: 'POST', body: JSON.stringify({ messages, stream }) })
}

test('a port that is taken is said in one sentence', async () => {
  await using first = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  await expect(createServer({ surefoot: createFakeSurefoot(), port: first.port })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: `Port ${first.port} on 127.0.0.1 is already in use.`,
    hint: expect.stringContaining('--port') as string,
    cause: { code: 'EADDRINUSE' },
  })
})

test('listens on IPv6 loopback and says so in its url', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0, host: '::1' })
  expect(server.url).toBe(`http://[::1]:${server.port}`)
  expect((await fetch(`${server.url}/livez`)).status).toBe(200)
})

test('draining: not ready at once, no new chat starts, running ones end', async () => {
  let goOn: (() => void) | undefined
  const surefoot = createFakeSurefoot(async (sink, call) => {
    await say('Water ')(sink, call)
    await new Promise<void>((resolve) => (goOn = resolve))
    await say('is wet.')(sink, call)
  })
  const server = await createServer({ surefoot, port: 0 })
  const running = await chat(server.url)
  const closed = server.close()
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
  const refused = await chat(server.url, false)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('2')
  expect(refused.headers.get('x-surefoot-code')).toBe('SHUTTING_DOWN')
  await refused.body?.cancel()
  const typed = await fetch(`${server.url}/trpc/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: 'Hi' }),
  })
  expect(typed.status).toBe(503)
  expect(typed.headers.get('retry-after')).toBe('2')
  expect(await typed.json()).toMatchObject({ error: { data: { surefoot: { code: 'SHUTTING_DOWN' } } } })
  expect(surefoot.calls).toHaveLength(1)
  goOn?.()
  expect(await running.text()).toContain('"done":true')
  await closed
  await expect(fetch(`${server.url}/livez`)).rejects.toThrow()
})

test('what still runs after the limit is ended', async () => {
  const surefoot = createFakeSurefoot(hangAfter('Water'))
  const server = await createServer({ surefoot, port: 0 })
  const running = await chat(server.url)
  await server.close({ drainMs: 50 })
  await expect(running.text()).rejects.toThrow()
  await vi.waitFor(() => expect(surefoot.running).toBe(0))
})

test('a second close with no patience ends it at once', async () => {
  const surefoot = createFakeSurefoot(hangAfter('Water'))
  const server = await createServer({ surefoot, port: 0 })
  const running = await chat(server.url)
  const closed = server.close()
  void server.close({ drainMs: 0 })
  await closed
  await expect(running.text()).rejects.toThrow()
})

test('drain waits for running answers and keeps listening', async () => {
  const surefoot = createFakeSurefoot()
  await using server = await createServer({ surefoot, port: 0 })
  await server.drain()
  expect((await fetch(`${server.url}/livez`)).status).toBe(200)
  expect((await chat(server.url)).status).toBe(503)
})

test('connections stay open for longer than proxies keep theirs, and do not hold up closing', async () => {
  const server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const response = await chat(server.url, false)
  expect(response.headers.get('keep-alive')).toBe('timeout=65')
  await response.text()
  await server.close()
})

test.each([
  ['half a head', 'GET /livez HTTP/1.1\r\n'],
  ['half a body', 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"messages"'],
  ['half a chunked body', 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"mes'],
])('%s does not hold up closing, while a running answer still does', async (_what, text) => {
  let goOn: (() => void) | undefined
  const surefoot = createFakeSurefoot(async (sink, call) => {
    await say('Water ')(sink, call)
    await new Promise<void>((resolve) => (goOn = resolve))
    await say('is wet.')(sink, call)
  })
  const server = await createServer({ surefoot, port: 0 })
  const half = connect(server.port, '127.0.0.1', () => half.write(text))
  half.on('error', () => {})
  const ended = new Promise((resolve) => half.once('close', resolve))
  const running = await chat(server.url)
  const closed = server.close({ drainMs: 20_000 })
  const startedAtMs = performance.now()
  goOn?.()
  expect(await running.text()).toContain('"done":true')
  await Promise.all([closed, ended])
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
})

test('a head over 16 KiB is refused', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const head = `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(17_000)}\r\nConnection: close\r\n\r\n`
  expect(await rawRequest(server.port, head)).toMatch(/^HTTP\/1\.1 431 /)
})

test('a request without a valid host is refused in one sentence', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const answer = await rawRequest(server.port, 'GET / HTTP/1.1\r\nHost: a b<>\r\nConnection: close\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 (400|403) /)
  expect(answer).toContain('{"error":"')
})

test('both lengths at once are refused (request smuggling)', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const head = 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n'
  expect(await rawRequest(server.port, `${head}0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /)
})

test('a body that drips is cut, an answer that takes longer is not', async () => {
  const surefoot = createFakeSurefoot(async (sink, call) => {
    await say('slow ')(sink, call)
    await new Promise((resolve) => setTimeout(resolve, 500))
    await say('answer')(sink, call)
  })
  const limits = { headersTimeoutMs: 100, requestTimeoutMs: 200 }
  await using server = await createServer({ surefoot, port: 0, limits })
  const drip = await rawRequest(server.port, 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{')
  expect(drip).toMatch(/^HTTP\/1\.1 408 /)
  expect(await (await chat(server.url)).text()).toContain('"done":true')
})

test('a reader that stalls while bytes wait for it is cut, and its run stops', async () => {
  const surefoot = createFakeSurefoot(async (sink, call) => {
    while (!call.signal.aborted) {
      await sink.ready()
      sink.emit({ type: 'delta', text: 'x'.repeat(100_000) })
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  await using server = await createServer({ surefoot, port: 0, limits: { stallTimeoutMs: 200 } })
  const body = JSON.stringify({ messages })
  const socket = connect(server.port, '127.0.0.1', () => {
    socket.pause()
    socket.write(`POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  })
  socket.on('error', () => {})
  await vi.waitFor(() => expect(surefoot.running).toBe(1))
  await vi.waitFor(() => expect(surefoot.running).toBe(0), { timeout: 5_000 })
  socket.destroy()
})

test('a model that thinks for longer than a reader may stall is waited for', async () => {
  const surefoot = createFakeSurefoot(async (sink, call) => {
    await new Promise((resolve) => setTimeout(resolve, 500))
    await say('late')(sink, call)
  })
  await using server = await createServer({ surefoot, port: 0, limits: { stallTimeoutMs: 100 } })
  expect(await (await chat(server.url, false)).json()).toMatchObject({ message: { content: 'late' } })
})
