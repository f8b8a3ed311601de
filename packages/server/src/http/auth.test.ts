import { connect } from 'node:net'

import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../test/fake-surefoot.ts'
import { createServer } from '../create-server.ts'
import { isLoopback } from './loopback.ts'

async function setup(keys: string[] = ['first-key', 'second-key']) {
  const surefoot = createFakeSurefoot()
  const server = await createServer({ surefoot, port: 0, keys })
  const chat = (authorization?: string) =>
    fetch(`${server.url}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: false }),
      headers: authorization === undefined ? {} : { authorization },
    })
  return { surefoot, server, chat, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) }
}

test.each([
  undefined,
  'Bearer wrong',
  'Bearer first-ke',
  'Bearer first-keyy',
  'Basic first-key',
  'first-key',
  'Bearer ',
])('without a known key (%s) a call is refused with one sentence and reaches nothing', async (authorization) => {
  await using t = await setup()
  const response = await t.chat(authorization)
  expect(response.status).toBe(401)
  expect(await response.json()).toEqual({ error: 'The key is missing or wrong.' })
  expect(t.surefoot.calls).toHaveLength(0)
})

test.each(['Bearer first-key', 'bearer second-key'])('%s lets a call through', async (authorization) => {
  await using t = await setup()
  expect((await t.chat(authorization)).status).toBe(200)
})

test('on tRPC the refusal is typed', async () => {
  await using t = await setup()
  const response = await fetch(`${t.server.url}/trpc/health`)
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({
    error: {
      message: 'The key is missing or wrong.',
      data: { code: 'UNAUTHORIZED', surefoot: { code: 'UNAUTHORIZED' } },
    },
  })
})

test('the key is asked for before the body is read', async () => {
  await using t = await setup()
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(t.server.port, '127.0.0.1', () => {
      // Announces a body and never sends it.
      socket.write('POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n')
    })
    socket.once('data', (data) => {
      resolve(data.toString())
      socket.destroy()
    })
  })
  expect(answer).toMatch(/^HTTP\/1\.1 401 /)
})

test.each(['/livez', '/readyz'])('%s needs no key', async (path) => {
  await using t = await setup()
  expect((await fetch(t.server.url + path)).status).toBe(200)
})

test.each(['0.0.0.0', '::', '192.168.1.5'])(
  'refuses to listen on %s without a key, and says what to do',
  async (host) => {
    await expect(createServer({ surefoot: createFakeSurefoot(), port: 0, host })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: `Refusing to listen on ${host} without a key, because anyone on the network could use it.`,
      hint: expect.stringContaining('--key or SUREFOOT_KEY') as string,
    })
  },
)

test('listens on every address with a key', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0, host: '0.0.0.0', keys: ['k'] })
  const headers = { authorization: 'Bearer k' }
  expect((await fetch(`${server.url}/api/tags`, { headers })).status).toBe(200)
})

test.each(['', ' ', 'two words', 'key\n', 'ключ'])(
  'the key %j, which no header could carry, is refused',
  async (key) => {
    const options = { surefoot: createFakeSurefoot(), port: 0, keys: [key] }
    await expect(createServer(options)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/^A key /) as string,
    })
  },
)

test("a call belongs to its key, whatever the caller says, and the key's name does not tell the key", async () => {
  const surefoot = createFakeSurefoot()
  await using server = await createServer({ surefoot, port: 0, keys: ['first-key', 'second-key'] })
  const ask = async (path: string, key: string, body: object) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    await (await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).text()
    return surefoot.calls.at(-1)?.options.tenant
  }
  const messages = [{ role: 'user', content: 'Hi' }]
  const first = await ask('/api/chat', 'first-key', { messages })
  expect(first).toMatch(/^key-[\da-f]{12}$/)
  expect(await ask('/trpc/chat', 'first-key', { message: 'Hi', tenant: 'somebody-else' })).toBe(first)
  expect(await ask('/api/chat', 'second-key', { messages })).not.toBe(first)
})

test.each([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['[::1]', true],
  ['LOCALHOST', true],
  ['0.0.0.0', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
])('loopback: %s is %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})
