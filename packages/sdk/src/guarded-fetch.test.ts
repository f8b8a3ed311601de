import { createServer } from '@surefoot/server'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../test/fake-surefoot.ts'
import { failureOf, shownAndFailure, strict } from '../test/failures.ts'
import { createAnswering, createMeddler, createTcp } from '../test/meddler.ts'
import { until } from '../test/rejections.ts'
import { createClient } from './client.ts'

test('a connection that falls silent is given up: before the headers, and within an answer', async () => {
  await using deaf = await createTcp(() => undefined)
  const started = performance.now()
  const error = await failureOf(strict(deaf.url, 120).chat('Hi'))
  expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', message: expect.stringContaining('0.12 s') })
  expect(performance.now() - started).toBeGreaterThanOrEqual(115)
  // Silence is not repeated: the caller has waited long enough.
  expect(deaf.seen()).toBe(1)

  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  await using stalling = await createMeddler(server.url, () => ({ bytes: 250, then: 'hang' }))
  const [shown, stalled] = await shownAndFailure(strict(stalling.url, 120))
  expect(stalled).toMatchObject({
    code: 'STREAM_INTERRUPTED',
    partial: shown,
    hint: expect.stringContaining('sign of life'),
  })
})

test('signs of life keep a slow answer alive for as long as it takes', async () => {
  await using slow = await createAnswering(async (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const lines = [
      '{"0":[[0],[null,0,0]]}\n',
      '[0,0,[[{"result":0}],["result",0,1]]]\n',
      '[1,0,[[{"data":0}],["data",1,2]]]\n',
    ]
    for (const line of lines) response.write(line)
    for (let beat = 0; beat < 12; beat++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      response.write(' ')
    }
    response.end('[2,2,[[{"message":"x"}]]]\n')
  })
  // 300 ms of pings against a limit of 120 ms: what ends it is the server's own error.
  const started = performance.now()
  await failureOf(strict(slow.url, 120).run('Hi').answer)
  expect(performance.now() - started).toBeGreaterThan(280)
})

test('a request that waits for a connection lives while the others hear something', async () => {
  const open = Promise.withResolvers<void>()
  const beating = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      controller.enqueue(new TextEncoder().encode(' '))
    },
  })
  // The short call gets no connection until the chat has had its time, as in a browser with six of them.
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (url.includes('chatStream')) return new Response(beating, { headers: { 'content-type': 'application/json' } })
    await Promise.race([open.promise, new Promise((_, reject) => init.signal!.addEventListener('abort', reject))])
    return Response.json({ result: { data: [] } })
  }
  const surefoot = createClient({ url: 'http://host', fetch, silenceMs: 90, fallback: false })
  const first = surefoot.run('Hi')
  const second = surefoot.models()
  setTimeout(() => open.resolve(), 300)
  expect(await second).toEqual([])
  first.stop('enough')
  await expect(first.answer).rejects.toBe('enough')
})

test('a fetch that ignores its signal cannot hold the caller', async () => {
  const fetch = (): Promise<Response> => new Promise(() => undefined)
  const controller = new AbortController()
  const call = createClient({ url: 'http://host', fetch }).chat('Hi', { signal: controller.signal })
  controller.abort('enough')
  await expect(call).rejects.toBe('enough')
})

test('a caller that leaves during headers() or the fallback is let go at once', async () => {
  const never = (): Promise<never> => new Promise(() => undefined)
  const controller = new AbortController()
  const { signal } = controller
  let isAsked = false
  const [first, second] = [
    createClient({ url: 'http://127.0.0.1:1', headers: never }).chat('Hi', { signal }),
    createClient({
      url: 'http://127.0.0.1:1',
      fallback: () => {
        isAsked = true
        return never()
      },
    }).chat('Hi', { signal }),
  ]
  await until(() => isAsked)
  controller.abort('enough')
  await Promise.all([first, second].map((call) => expect(call).rejects.toBe('enough')))
})
