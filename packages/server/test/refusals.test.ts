import { expect, test, vi } from 'vitest'

import { startSystem } from './system.ts'
import type { System } from './system.ts'

const messages = [{ role: 'user', content: 'What is water?' }]

const post = (system: System, path: string, body: object): Promise<Response> =>
  fetch(`${system.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(path.includes('Stream') && { 'trpc-accept': 'application/jsonl' }),
    },
    body: JSON.stringify(body),
  })

test('a full queue is refused on every surface with 429 and Retry-After', async () => {
  await using system = await startSystem(
    { answerTokens: 100_000, tokensPerSecond: 50 },
    { slots: 1, maxQueueLength: 0 },
  )
  const running = await post(system, '/api/chat', { messages })
  for (const [path, body] of [
    ['/api/chat', { messages }],
    ['/api/chat', { messages, stream: false }],
    ['/trpc/chat', { message: 'Hi' }],
  ] as const) {
    const refused = await post(system, path, body)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-surefoot-code')).toBe('QUEUE_FULL')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(refused.headers.get('x-should-retry')).toBeNull()
    await refused.text()
  }
  // A stream's own status was sent before: there the error itself says when to ask again.
  const streamed = await post(system, '/trpc/chatStream?batch=1', { 0: { message: 'Hi' } })
  expect(await streamed.text()).toMatch(/QUEUE_FULL.*"retryAfterMs":[1-9]/s)
  await running.body?.cancel()
})

test('a drained backend gets no call and is put back, and an unknown one is named', async () => {
  await using system = await startSystem({ answers: { '*': 'Water.' } }, { waitForReadyMs: 50 })
  const url = system.ollama.url
  expect((await post(system, '/trpc/drain', { url })).status).toBe(200)
  const asked = system.ollama.counts.chats
  const refused = await post(system, '/api/chat', { messages, stream: false })
  expect(refused.status).toBe(503)
  await refused.text()
  expect(system.ollama.counts.chats).toBe(asked)
  expect((await post(system, '/trpc/undrain', { url })).status).toBe(200)
  await vi.waitFor(async () => {
    const answer = await post(system, '/api/chat', { messages, stream: false })
    expect(answer.status).toBe(200)
    await answer.text()
  })
  const unknown = await post(system, '/trpc/drain', { url: 'http://127.0.0.1:1' })
  expect(unknown.status).toBe(400)
  expect(await unknown.text()).toContain(url)
})
