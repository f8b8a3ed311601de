import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../test/fake-surefoot.ts'
import { createServer } from '../create-server.ts'

const ALLOWED = 'https://app.example'

async function setup() {
  const surefoot = createFakeSurefoot()
  const server = await createServer({ surefoot, port: 0, corsOrigins: [ALLOWED], keys: ['k'] })
  const call = (method: string, path: string, headers: Record<string, string>) =>
    fetch(server.url + path, {
      method,
      headers: { authorization: 'Bearer k', ...headers },
      ...(method === 'POST' && {
        body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: false }),
      }),
    })
  return { surefoot, server, call, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) }
}

test.each([
  'https://evil.example',
  'null',
  'https://app.example.evil.example',
  'http://app.example',
  `${ALLOWED}:8443`,
])('a page of %s cannot start a chat, and reads nothing', async (origin) => {
  await using t = await setup()
  const post = await t.call('POST', '/api/chat', { origin })
  expect(post.status).toBe(403)
  expect(await post.json()).toEqual({ error: 'Pages of this origin may not call this server.' })
  const get = await t.call('GET', '/api/tags', { origin })
  expect(get.headers.get('access-control-allow-origin')).toBeNull()
  const preflight = await t.call('OPTIONS', '/api/chat', { origin, 'access-control-request-method': 'POST' })
  expect(preflight.status).toBe(403)
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
  expect(t.surefoot.calls).toHaveLength(0)
})

test('a page of a listed origin may chat and read our headers', async () => {
  await using t = await setup()
  const response = await t.call('POST', '/api/chat', { origin: ALLOWED })
  expect(response.status).toBe(200)
  expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
  expect(response.headers.get('access-control-expose-headers')).toContain('x-surefoot-run-id')
  expect(response.headers.get('vary')).toContain('Origin')
})

test('a refusal can be read by a listed origin too', async () => {
  await using t = await setup()
  const response = await t.call('POST', '/api/chat', { origin: ALLOWED, authorization: 'Bearer wrong' })
  expect(response.status).toBe(401)
  expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
})

test('the preflight of a listed origin needs no key', async () => {
  await using t = await setup()
  const response = await fetch(`${t.server.url}/trpc/chat`, {
    method: 'OPTIONS',
    headers: {
      origin: ALLOWED,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,trpc-accept',
    },
  })
  expect(response.status).toBe(204)
  expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
  expect(response.headers.get('access-control-allow-methods')).toContain('POST')
  expect(response.headers.get('access-control-allow-headers')).toBe('authorization,content-type,trpc-accept')
})

test('a page of the server itself may call', async () => {
  await using t = await setup()
  expect((await t.call('POST', '/api/chat', { origin: t.server.url })).status).toBe(200)
})

test.each(['*', 'app.example', 'https://app.example/', 'https://app.example/path'])(
  '%s is no origin, found at start',
  async (origin) => {
    await expect(
      createServer({ surefoot: createFakeSurefoot(), port: 0, corsOrigins: [origin] }),
    ).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: `'${origin}' is not an origin.`,
    })
  },
)
