import { SurefootError } from '@surefoot/protocol'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../test/fake-surefoot.ts'
import { rawPath } from '../test/raw-request.ts'
import { createServer } from './create-server.ts'
import { createFetchHandler } from './fetch-handler.ts'

/** What Ollama's router has and this server does not, and ways to spell it. */
const ABSENT = [
  ['POST', '/api/pull'],
  ['POST', '/api/push'],
  ['POST', '/api/create'],
  ['DELETE', '/api/delete'],
  ['POST', '/api/copy'],
  ['POST', '/api/show'],
  ['POST', '/api/generate'],
  ['HEAD', '/api/blobs/sha256:1'],
  ['POST', '/api/blobs/sha256:1'],
  ['GET', '/debug/pprof/'],
  ['POST', '//api/pull'],
  ['POST', '/api//pull'],
  ['POST', '/%61pi/pull'],
  ['POST', '/api/%70ull'],
  ['POST', '/api/../api/pull'],
  ['POST', '/api/chat/../pull'],
  ['POST', '/api/chat/..%2fpull'],
  ['POST', '/api/pull/'],
  ['POST', '/API/PULL'],
  ['POST', '/api/pull?x=/api/chat'],
  ['POST', '/api\\pull'],
  ['POST', 'http://localhost/api/pull'],
  ['PUT', '/api/blobs/../chat'],
  ['GET', '/nothing'],
  ['POST', '/trpcx/chat'],
] as const

test.each(ABSENT)('%s %s does not exist and reaches no backend', async (method, path) => {
  const surefoot = createFakeSurefoot()
  const asked: string[] = []
  const watched = new Proxy(surefoot, {
    get(target, name, receiver) {
      if (['models', 'health', 'backends'].includes(String(name))) asked.push(String(name))
      return Reflect.get(target, name, receiver) as unknown
    },
  })
  await using server = await createServer({ surefoot: watched, port: 0 })
  const answer = await rawPath(server.port, method, path, [
    'Content-Type: application/json',
    'X-HTTP-Method-Override: GET',
    'X-Original-URL: /api/chat',
    'Content-Length: 0',
  ])
  expect(answer).toMatch(/^HTTP\/1\.1 (404|405|400) /)
  if (method !== 'HEAD') expect(answer).toMatch(/\r\n\{"error":"[^"]+\."\}$/)
  expect(surefoot.calls).toHaveLength(0)
  expect(asked).toEqual([])
})

test('an unknown procedure is 404 in tRPC’s shape', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const response = await fetch(`${server.url}/trpc/pull`)
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({
    error: { message: 'There is no such procedure.', data: { surefoot: { code: 'NOT_FOUND' } } },
  })
})

test('extra routes get the same checks and can take the place of the root', async () => {
  await using server = await createServer({
    surefoot: createFakeSurefoot(),
    port: 0,
    keys: ['k'],
    extraRoutes: (app) => {
      app.get('/', (c) => c.html('<h1>Page</h1>'))
      app.get('/broken', () => {
        throw new SurefootError({ code: 'OVERLOADED', message: 'Busy' })
      })
    },
  })
  expect((await fetch(server.url)).status).toBe(401)
  const headers = { authorization: 'Bearer k' }
  expect(await (await fetch(server.url, { headers })).text()).toBe('<h1>Page</h1>')
  expect((await fetch(`${server.url}/broken`, { headers })).status).toBe(429)
})

test('the routes work without a socket', async () => {
  const { fetch: handle } = createFetchHandler({ surefoot: createFakeSurefoot() })
  const response = await handle(
    new Request('http://anything/api/chat', {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] }),
    }),
  )
  expect((await response.text()).trim().split('\n')).toHaveLength(3)
})

test('a fault of a route is told without its text', async () => {
  const logged: unknown[] = []
  const { fetch: handle } = createFetchHandler({
    surefoot: createFakeSurefoot(),
    logger: { error: (record: unknown) => logged.push(record) } as never,
    extraRoutes: (app) => {
      app.get('/broken', () => {
        throw new Error('secret at /srv/app.ts')
      })
    },
  })
  const response = await handle(new Request('http://localhost/broken'))
  expect(response.status).toBe(500)
  expect(await response.text()).not.toMatch(/secret|srv/)
  expect(logged).toHaveLength(1)
})
