import { ERROR_CODES, SurefootError } from '@surefoot/protocol'
import type { ChatAnswer, RunEvent } from '@surefoot/protocol'
import { http, HttpResponse } from 'msw'
import { setupWorker } from 'msw/browser'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

import { createClient } from './client.ts'

const worker = setupWorker()
const CHAT = '/trpc/chatStream'

beforeAll(async () => {
  await worker.start({ quiet: true })
})
afterEach(() => worker.resetHandlers())
afterAll(() => worker.stop())

const ANSWER: ChatAnswer = {
  model: 'tiny',
  created_at: '2026-01-01T00:00:00Z',
  message: { role: 'assistant', content: 'Hello there' },
  done: true,
  id: 'server-run',
  served: 'model',
  attempts: 1,
  resumed: 0,
}

/** The lines of tRPC's JSONL for one streamed mutation. */
const HEAD = [
  '{"0":[[0],[null,0,0]]}',
  '[0,0,[[{"result":0}],["result",0,1]]]',
  '[1,0,[[{"data":0}],["data",0,2]]]',
  '[2,0,[[0],[null,1,3]]]',
]
const line = (event: RunEvent): string => JSON.stringify([3, 1, [[event]]])
const END = '[3,0,[[]]]'
const deltas: RunEvent[] = [
  { type: 'delta', text: 'Hello ' },
  { type: 'delta', text: 'there' },
]

/** A body that sends its lines one by one and then, when it may, does what it is told. */
function streamOf(lines: readonly string[], end: 'close' | 'hang' | 'error', mayEnd?: Promise<void>): Response {
  let next = 0
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const text = lines[next++]
      if (text !== undefined) return controller.enqueue(new TextEncoder().encode(`${text}\n`))
      await mayEnd
      if (end === 'close') controller.close()
      if (end === 'error') controller.error(new TypeError('network error'))
      if (end === 'hang') await new Promise(() => undefined)
    },
  })
  return new HttpResponse(body, { headers: { 'content-type': 'application/json' } })
}

test('a network failure gives the fallback', async () => {
  worker.use(http.post(CHAT, () => HttpResponse.error()))
  const answer = await createClient({ url: '' }).chat('Hi')
  expect(answer).toMatchObject({
    served: 'fallback',
    reason: 'SERVER_UNREACHABLE',
    message: { content: "I'm having trouble connecting. Please try again." },
  })
})

test('an answer streams, token by token, and is whole at its end', async () => {
  let sent: unknown
  worker.use(
    http.post(CHAT, async ({ request }) => {
      sent = await request.json()
      return streamOf([...HEAD, ...deltas.map(line), line({ type: 'finish', answer: ANSWER }), END], 'close')
    }),
  )
  const run = createClient({ url: location.origin }).run('Hi', { system: 'Be kind.' })
  const texts: string[] = []
  for await (const event of run) if (event.type === 'delta') texts.push(event.text)
  expect(texts).toEqual(['Hello ', 'there'])
  expect(await run.answer).toEqual(ANSWER)
  expect(sent).toEqual({ 0: { message: 'Hi', system: 'Be kind.', runId: run.id } })
})

test('an abort ends the request and is rethrown untouched', async () => {
  worker.use(http.post(CHAT, () => streamOf([...HEAD, ...deltas.map(line)], 'hang')))
  const reason = { why: 'the page was left' }
  const controller = new AbortController()
  const ended = Promise.withResolvers<void>()
  const client = createClient({
    url: '',
    fetch: (url, init) => {
      init.signal?.addEventListener('abort', () => ended.resolve())
      return fetch(url, init)
    },
  })
  const run = client.run('Hi', { signal: controller.signal })
  const read = async (): Promise<void> => {
    for await (const event of run) if (event.type === 'delta') controller.abort(reason)
  }
  await expect(read()).rejects.toBe(reason)
  await expect(run.answer).rejects.toBe(reason)
  await ended.promise
})

test('a typed error of the server comes out as it was', async () => {
  const fields = {
    code: 'MODEL_NOT_FOUND',
    message: 'Model tiny not found. Run: ollama pull tiny',
    hint: 'Pull it.',
  } as const
  const shape = {
    message: fields.message,
    code: -32004,
    data: { code: 'NOT_FOUND', httpStatus: 404, surefoot: fields },
  }
  worker.use(
    http.post(CHAT, () => streamOf([...HEAD, JSON.stringify([3, 2, shape])], 'close')),
    http.get('/trpc/health', () => HttpResponse.json({ error: shape }, { status: 404 })),
  )
  const client = createClient({ url: '' })
  for (const call of [() => client.chat('Hi'), () => client.health()]) {
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(SurefootError.is(error) && error.toJSON()).toEqual(fields)
  }
})

test.each(['close', 'error'] as const)('an answer that breaks off is no answer: %s', async (end) => {
  // A broken connection drops what has not been read, so it breaks once the text was seen.
  const shown = Promise.withResolvers<void>()
  worker.use(http.post(CHAT, () => streamOf([...HEAD, line(deltas[0]!)], end, shown.promise)))
  const run = createClient({ url: '' }).run('Hi')
  const read = async (): Promise<void> => {
    for await (const event of run) if (event.type === 'delta') shown.resolve()
  }
  await expect(read()).rejects.toMatchObject({ code: 'STREAM_INTERRUPTED', partial: 'Hello ' })
})

test('a web page in place of the server is named as such', async () => {
  worker.use(http.post(CHAT, () => HttpResponse.html('<h1>Bad Gateway</h1>', { status: 502 })))
  await expect(createClient({ url: location.origin, fallback: false }).chat('Hi')).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: expect.stringContaining(`${location.origin}: what came back has HTTP status 502 and is a web page`),
    hint: ERROR_CODES.SERVER_UNREACHABLE.hint,
  })
})
