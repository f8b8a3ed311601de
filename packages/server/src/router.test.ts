import { SurefootError } from '@surefoot/protocol'
import type { RunEvent } from '@surefoot/protocol'
import { createTRPCClient, httpBatchStreamLink, httpLink, TRPCClientError } from '@trpc/client'
import { expect, test, vi } from 'vitest'

import { createFakeSurefoot, hangAfter, say } from '../test/fake-surefoot.ts'
import { createServer } from './create-server.ts'
import { createFetchHandler } from './fetch-handler.ts'
import { createCaller } from './router.ts'
import type { AppRouter } from './router.ts'

async function setup(script = say('Water ', 'is wet.')) {
  const surefoot = createFakeSurefoot(script)
  const server = await createServer({ surefoot, port: 0 })
  const url = `${server.url}/trpc`
  return {
    surefoot,
    server,
    url,
    plain: createTRPCClient<AppRouter>({ links: [httpLink({ url })] }),
    streaming: createTRPCClient<AppRouter>({ links: [httpBatchStreamLink({ url, maxItems: 1 })] }),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  }
}

async function failureOf(promise: Promise<unknown>): Promise<TRPCClientError<AppRouter>> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(TRPCClientError)
  return error as TRPCClientError<AppRouter>
}

test('chat answers a plain message with Ollama’s fields, the text in message.content', async () => {
  await using t = await setup()
  const answer = await t.plain.chat.mutate({ message: 'What is water?', system: 'Be short.', temperature: 0 })
  expect(answer).toMatchObject({ message: { content: 'Water is wet.' }, done: true, served: 'model', attempts: 1 })
  expect(t.surefoot.calls[0]).toMatchObject({
    input: 'What is water?',
    options: { system: 'Be short.', temperature: 0, buffered: true },
  })
})

test('chat takes Ollama’s body as well, and hands on what it does not know', async () => {
  await using t = await setup()
  const messages = [{ role: 'user', content: 'Hi' }]
  await t.plain.chat.mutate({ messages, model: 'm', options: { seed: 1 }, deadlineMs: 5_000 })
  expect(t.surefoot.calls[0]).toMatchObject({
    input: { messages, model: 'm', options: { seed: 1 } },
    options: { deadlineMs: 5_000 },
  })
})

test('chatStream yields the events as they come and ends with finish', async () => {
  await using t = await setup()
  const events: RunEvent[] = []
  for await (const event of await t.streaming.chatStream.mutate({ message: 'Hi' })) events.push(event)
  expect(events.map((event) => event.type)).toEqual(['attempt', 'delta', 'delta', 'finish'])
  expect(events.at(-1)).toMatchObject({ answer: { message: { content: 'Water is wet.' }, id: 'run-1' } })
})

test('a client that ends its stream stops the run', async () => {
  await using t = await setup(hangAfter('Water'))
  const abort = new AbortController()
  const stream = await t.streaming.chatStream.mutate({ message: 'Hi' }, { signal: abort.signal })
  await expect(
    (async () => {
      for await (const event of stream) if (event.type === 'delta') abort.abort()
    })(),
  ).rejects.toThrow()
  await vi.waitFor(() => expect(t.surefoot.running).toBe(0), { timeout: 500 })
})

test('leaving the loop of one stream stops that run alone (T2)', async () => {
  await using t = await setup(hangAfter('Water'))
  const [first, second] = await Promise.all([
    t.streaming.chatStream.mutate({ message: 'a' }),
    t.streaming.chatStream.mutate({ message: 'b' }),
  ])
  const other = second[Symbol.asyncIterator]()
  await other.next()
  for await (const event of first) if (event.type === 'delta') break
  await vi.waitFor(() => expect(t.surefoot.running).toBe(1), { timeout: 500 })
  await other.return?.()
  await vi.waitFor(() => expect(t.surefoot.running).toBe(0), { timeout: 500 })
})

test('a client that goes away from a plain chat stops the run', async () => {
  await using t = await setup(hangAfter())
  const abort = new AbortController()
  const call = t.plain.chat.mutate({ message: 'Hi' }, { signal: abort.signal })
  call.catch(() => {})
  await vi.waitFor(() => expect(t.surefoot.running).toBe(1))
  abort.abort()
  await expect(call).rejects.toThrow()
  await vi.waitFor(() => expect(t.surefoot.running).toBe(0), { timeout: 500 })
})

test.each([
  ['OVERLOADED', 429, 'TOO_MANY_REQUESTS'],
  ['QUEUE_FULL', 429, 'TOO_MANY_REQUESTS'],
  ['QUEUE_TIMEOUT', 429, 'TOO_MANY_REQUESTS'],
  ['BREAKER_OPEN', 503, 'SERVICE_UNAVAILABLE'],
  ['MODEL_NOT_FOUND', 404, 'NOT_FOUND'],
  ['CONTEXT_OVERFLOW', 422, 'UNPROCESSABLE_CONTENT'],
  ['CANNOT_CONNECT', 502, 'BAD_GATEWAY'],
  ['DEADLINE_EXCEEDED', 504, 'GATEWAY_TIMEOUT'],
  ['INTERNAL', 500, 'INTERNAL_SERVER_ERROR'],
] as const)('a failure %s keeps its fields over the wire, plain and streamed', async (code, httpStatus, key) => {
  await using t = await setup(() =>
    Promise.reject(new SurefootError({ code, message: 'It failed.', attempts: 3, retryAfterMs: 1_500 })),
  )
  const plain = await failureOf(t.plain.chat.mutate({ message: 'Hi' }))
  const streamed = await failureOf(
    (async () => {
      for await (const event of await t.streaming.chatStream.mutate({ message: 'Hi' })) void event
    })(),
  )
  for (const error of [plain, streamed]) {
    expect(error.message).toBe('It failed.')
    expect(error.data).toMatchObject({ httpStatus, code: key, surefoot: { code, attempts: 3, retryAfterMs: 1_500 } })
    expect(JSON.stringify(error.shape)).not.toContain('stack')
  }
  const { response } = plain.meta as { response: Response }
  expect(response.status).toBe(httpStatus)
  expect(response.headers.get('retry-after')).toBe('2')
})

test('an unknown fault shows neither its text nor a stack (T13)', async () => {
  await using t = await setup(() => Promise.reject(new Error('secret at /srv/app.ts')))
  const error = await failureOf(t.plain.chat.mutate({ message: 'Hi' }))
  expect(error.data?.surefoot.code).toBe('INTERNAL')
  expect(JSON.stringify(error.shape)).not.toMatch(/secret|srv|stack/)
})

const BAD_INPUTS: [name: string, input: unknown, sentence: string][] = [
  ['no message', {}, 'message must be a string.'],
  ['nothing at all', undefined, 'The input must be an object with message or messages.'],
  ['an empty message', { message: ' ' }, 'message must not be empty.'],
  ['a message of a wrong type', { message: 5 }, 'message must be a string.'],
  ['messages of a wrong type', { messages: 'Hi' }, 'messages must be a list of messages.'],
  ['no messages', { messages: [] }, 'messages must hold at least one message.'],
  ['a content of a wrong type', { messages: [{ role: 'user', content: 5 }] }, 'messages[0].content must be a string.'],
  ['a temperature of a wrong type', { message: 'Hi', temperature: 'hot' }, 'temperature must be a number from 0 to 2.'],
  ['a model of a wrong type', { message: 'Hi', model: 5 }, 'model must be a string.'],
  ['a priority that is none', { message: 'Hi', priority: 'urgent' }, 'priority must be critical, high, normal or low.'],
  ['resume as text', { message: 'Hi', resume: 'yes' }, 'resume must be true or false.'],
  ['an empty tenant', { message: 'Hi', tenant: '' }, 'tenant must be a text of 1 to 256 characters.'],
  ['a run id that is none', { message: 'Hi', runId: '../etc' }, 'runId must be a UUID.'],
  [
    'a deadline that is over',
    { message: 'Hi', deadlineMs: 0 },
    'deadlineMs must be a number of milliseconds greater than 0.',
  ],
]

test.each(BAD_INPUTS)('%s is refused with one sentence and no call', async (_name, input, sentence) => {
  await using t = await setup()
  const plain = await failureOf(t.plain.chat.mutate(input as never))
  const streamed = await failureOf(t.streaming.chatStream.mutate(input as never))
  for (const error of [plain, streamed]) {
    expect(error.message).toBe(sentence)
    expect(error.data).toMatchObject({ httpStatus: 400, code: 'BAD_REQUEST', surefoot: { code: 'INVALID_REQUEST' } })
  }
  expect(t.surefoot.calls).toHaveLength(0)
})

test('a body that is no JSON is refused without quoting it', async () => {
  await using t = await setup()
  const response = await fetch(`${t.url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"message": my secret',
  })
  expect(response.status).toBe(400)
  const body = (await response.json()) as { error: { message: string } }
  expect(body.error.message).toBe('The input is not valid JSON.')
  const question = await fetch(`${t.url}/health?input=${encodeURIComponent('{"force": my secret')}`)
  expect(question.status).toBe(400)
  expect(await question.json()).toMatchObject({ error: { message: 'The input is not valid JSON.' } })
})

test.each(['PUT', 'DELETE', 'PATCH'])('%s is refused for the method, not for its Content-Type', async (method) => {
  await using t = await setup()
  const response = await fetch(`${t.url}/backends`, { method })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe('GET, HEAD, POST')
  expect(await response.json()).toMatchObject({ error: { data: { code: 'METHOD_NOT_SUPPORTED' } } })
})

test('a chat in a URL is refused, and nothing is asked', async () => {
  await using t = await setup()
  const input = encodeURIComponent(JSON.stringify({ message: 'Hi' }))
  for (const path of ['chat', 'chatStream']) {
    const response = await fetch(`${t.url}/${path}?input=${input}`)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
  }
  expect(t.surefoot.calls).toHaveLength(0)
})

test('a stream says that it must not be buffered (T4)', async () => {
  await using t = await setup()
  const response = await fetch(`${t.url}/chatStream?batch=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'trpc-accept': 'application/jsonl' },
    body: JSON.stringify({ 0: { message: 'Hi' } }),
  })
  expect(response.headers.get('x-accel-buffering')).toBe('no')
  expect(response.headers.get('cache-control')).toBe('no-cache, no-transform')
  await response.text()
})

test('health, models and backends are questions', async () => {
  await using t = await setup()
  expect(await t.plain.health.query({ force: true })).toMatchObject({ status: 'up', model: 'llama3.2' })
  expect(await t.plain.health.query()).toMatchObject({ status: 'up' })
  expect(await t.plain.models.query()).toHaveLength(1)
  expect(await t.plain.backends.query()).toEqual([])
})

test('experiments is a question, feedback a judgement by the id of a run', async () => {
  await using t = await setup()
  const judged: unknown[] = []
  t.surefoot.experiments = async () => [
    { name: 'size', model: 'llama3.2', goal: 'success', variants: [], observed: 3, winner: 'small' },
  ]
  t.surefoot.feedback = async (...said) => judged.push(said.slice(0, 2)) > 0
  expect(await t.plain.experiments.query()).toMatchObject([{ name: 'size', winner: 'small' }])
  const runId = crypto.randomUUID()
  expect(await t.plain.feedback.mutate({ runId, isGood: false })).toBe(true)
  expect(judged).toEqual([[runId, false]])
  for (const wrong of [{}, { runId: 'x', isGood: true }, { runId, isGood: 'yes' }]) {
    await expect(t.plain.feedback.mutate(wrong as never)).rejects.toMatchObject({ data: { httpStatus: 400 } })
  }
})

test('what says whose call it is, and how important, reaches the call', async () => {
  await using t = await setup()
  const said = {
    priority: 'low',
    tenant: 'school',
    affinityKey: 'lesson-3',
    stickyKey: 'pupil-7',
    cache: true,
    resume: false,
    runId: crypto.randomUUID(),
  } as const
  await t.plain.chat.mutate({ message: 'Hi', ...said })
  for await (const _ of await t.streaming.chatStream.mutate({ messages: [{ role: 'user', content: 'Hi' }], ...said }));
  expect(t.surefoot.calls.map(({ options }) => options)).toMatchObject([said, said])
  expect(t.surefoot.calls[1]?.input).toEqual({ messages: [{ role: 'user', content: 'Hi' }] })
})

test('backends are drained by callers with a key or of this machine, and by nobody else', async () => {
  const told: string[] = []
  const drains = {
    drain: (url: string) => told.push(`drain ${url}`),
    undrain: (url: string) => told.push(`undrain ${url}`),
  }
  const surefoot = Object.assign(createFakeSurefoot(), drains)
  const post = async (options: object, headers: Record<string, string> = {}) => {
    const handler = createFetchHandler({ surefoot, ...options })
    const statuses = ['drain', 'undrain'].map(async (what) => {
      const request = new Request(`http://localhost/trpc/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', host: 'localhost', ...headers },
        body: JSON.stringify({ url: 'http://gpu-a:11434' }),
      })
      return (await handler.fetch(request)).status
    })
    return await Promise.all(statuses)
  }
  expect(await post({})).toEqual([403, 403])
  expect(await post({ keys: ['secret'] })).toEqual([401, 401])
  expect(await post({ loopbackOnly: true, surefoot: createFakeSurefoot() })).toEqual([403, 403])
  expect(told).toEqual([])
  expect(await post({ keys: ['secret'] }, { authorization: 'Bearer secret' })).toEqual([200, 200])
  expect(await post({ loopbackOnly: true })).toEqual([200, 200])
  expect(told.toSorted()).toEqual([
    'drain http://gpu-a:11434',
    'drain http://gpu-a:11434',
    'undrain http://gpu-a:11434',
    'undrain http://gpu-a:11434',
  ])
})

test('the caller in process runs the same procedures and throws the same codes', async () => {
  const surefoot = createFakeSurefoot()
  const caller = createCaller({ surefoot })
  expect(await caller.chat({ message: 'Hi' })).toMatchObject({ message: { content: 'Water is wet.' } })
  surefoot.script = () => Promise.reject(new SurefootError({ code: 'OVERLOADED', message: 'Busy.' }))
  await expect(caller.chat({ message: 'Hi' })).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS', message: 'Busy.' })
})
