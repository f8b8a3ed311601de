import { SurefootError } from '@surefoot/protocol'
import type { RunEvent } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { TRPCClientError } from '@trpc/client'
import { expect, test } from 'vitest'

import { createFakeSurefoot, delta, HEALTH } from '../test/fake-surefoot.ts'
import { createAnswering } from '../test/meddler.ts'
import { until } from '../test/rejections.ts'
import { createTrpcClient, trpcErrorToSurefootError } from './trpc.ts'

test('every procedure is called with the link that suits it', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const seen: string[] = []
  const trpc = createTrpcClient({
    url: server.url,
    fetch: (url, init) => {
      seen.push(`${init.method} ${url.replace(server.url, '')}`)
      return fetch(url, init)
    },
  })
  expect((await trpc.chat.mutate({ message: 'Hi' })).message.content).toBe('Hi')
  const events: string[] = []
  for await (const event of await trpc.chatStream.mutate({ message: 'Hi there' })) events.push(event.type)
  expect(events).toEqual(['delta', 'delta', 'finish'])
  expect(await trpc.health.query()).toEqual(HEALTH)
  expect([await trpc.models.query(), await trpc.backends.query()]).toEqual([[], []])
  expect(seen).toEqual([
    'POST /trpc/chat',
    'POST /trpc/chatStream?batch=1',
    'GET /trpc/health',
    'GET /trpc/models',
    'GET /trpc/backends',
  ])
})

test('one of two streams of the same moment is aborted alone, and break stops the generation', async () => {
  const fake = createFakeSurefoot(async (_call, sink, signal) => {
    sink.emit(delta('Hello'))
    return await new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  const trpc = createTrpcClient({ url: server.url })
  const controller = new AbortController()
  const [first, second] = await Promise.all([
    trpc.chatStream.mutate({ message: 'A' }, { signal: controller.signal }),
    trpc.chatStream.mutate({ message: 'B' }),
  ])
  controller.abort()
  await expect(
    (async () => {
      for await (const event of first) void event
    })(),
  ).rejects.toThrow()
  await until(() => fake.aborted.length === 1)
  for await (const event of second as AsyncIterable<RunEvent>) if (event.type === 'delta') break
  await until(() => fake.aborted.length === 2)
})

test('the plain chat may be silent for as long as it takes', async () => {
  const fake = createFakeSurefoot(async () => {
    await new Promise((resolve) => setTimeout(resolve, 250))
    return 'At last.'
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  const trpc = createTrpcClient({ url: server.url, silenceMs: 60 })
  expect((await trpc.chat.mutate({ message: 'Hi' })).message.content).toBe('At last.')
})

test('its errors are those of tRPC, and hold ours', async () => {
  const fields = { code: 'QUEUE_FULL', message: 'Full.', hint: 'Later.', retryAfterMs: 500 } as const
  const fake = createFakeSurefoot(async () => {
    throw new SurefootError(fields)
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  const trpc = createTrpcClient({ url: server.url })
  const error: unknown = await trpc.chat.mutate({ message: 'Hi' }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(TRPCClientError)
  expect(error).toMatchObject({ data: { httpStatus: 429, surefoot: fields } })
  expect(trpcErrorToSurefootError(error).toJSON()).toEqual(fields)
})

test('without a server, or with a proxy in its place, the error says so', async () => {
  const refused: unknown = await createTrpcClient({ url: 'http://127.0.0.1:1' })
    .models.query()
    .catch((thrown: unknown) => thrown)
  expect(trpcErrorToSurefootError(refused)).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: expect.stringContaining('http://127.0.0.1:1'),
  })
  await using proxy = await createAnswering((_request, response) => {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
  })
  const page: unknown = await createTrpcClient({ url: proxy.url })
    .chat.mutate({ message: 'Hi' })
    .catch((thrown: unknown) => thrown)
  expect(trpcErrorToSurefootError(page)).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: expect.stringContaining('502'),
  })
})

test.each([
  [400, 'INVALID_REQUEST'],
  [404, 'NOT_FOUND'],
  [413, 'PAYLOAD_TOO_LARGE'],
  [429, 'OVERLOADED'],
  [499, 'STREAM_INTERRUPTED'],
  [418, 'INTERNAL'],
])('a tRPC server that does not speak our errors: status %s is %s', async (httpStatus, code) => {
  await using other = await createAnswering((_request, response) => {
    const body = { error: { message: 'Its own words', code: -32000, data: { httpStatus } } }
    response.writeHead(httpStatus, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const error: unknown = await createTrpcClient({ url: other.url })
    .models.query()
    .catch((thrown: unknown) => thrown)
  expect(trpcErrorToSurefootError(error).code).toBe(code)
})
