import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../test/fake-surefoot.ts'
import { createFetchHandler } from '../fetch-handler.ts'

const get = async (handler: ReturnType<typeof createFetchHandler>, path: string) => {
  const response = await handler.fetch(new Request(`http://localhost${path}`))
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test.each(['up', 'degraded'] as const)('ready while the backends are %s', async (status) => {
  const surefoot = createFakeSurefoot()
  surefoot.status = status
  const handler = createFetchHandler({ surefoot })
  expect(await get(handler, '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } })
})

test('not ready without a usable backend, and says why; still alive (T18)', async () => {
  const surefoot = createFakeSurefoot()
  surefoot.status = 'down'
  const handler = createFetchHandler({ surefoot })
  expect(await get(handler, '/readyz')).toEqual({
    status: 503,
    body: { status: 'not ready', message: 'Cannot connect to Ollama at http://gpu-a:11434. Run: ollama serve' },
  })
  expect(await get(handler, '/livez')).toMatchObject({ status: 200, body: { status: 'live' } })
})

test('where keys are asked for, only who sends one is told which backend is away', async () => {
  const surefoot = createFakeSurefoot()
  surefoot.status = 'down'
  const handler = createFetchHandler({ surefoot, keys: ['secret'] })
  for (const headers of [{}, { authorization: 'Bearer wrong' }] as Record<string, string>[]) {
    const response = await handler.fetch(new Request('http://localhost/readyz', { headers }))
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'not ready', message: 'No backend can answer.' },
    ])
  }
  const known = new Request('http://localhost/readyz', { headers: { authorization: 'Bearer secret' } })
  expect(await (await handler.fetch(known)).text()).toContain('gpu-a')
})

test('not ready while draining', async () => {
  const handler = createFetchHandler({ surefoot: createFakeSurefoot() })
  handler.startDraining()
  expect(await get(handler, '/readyz')).toEqual({
    status: 503,
    body: { status: 'not ready', message: 'The server is shutting down.' },
  })
})

test('not ready when the health cannot be found out', async () => {
  const surefoot = createFakeSurefoot()
  surefoot.health = () => Promise.reject(new Error('broken'))
  const handler = createFetchHandler({ surefoot })
  expect(await get(handler, '/readyz')).toMatchObject({ status: 503 })
})
