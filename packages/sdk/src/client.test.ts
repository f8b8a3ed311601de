import { ERROR_CODES, SurefootError } from '@surefoot/protocol'
import type { ErrorCode, RunEvent, Surefoot } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import type { SurefootServer } from '@surefoot/server'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { createFakeSurefoot, delta, echo, HEALTH } from '../test/fake-surefoot.ts'
import type { FakeSurefoot, Script } from '../test/fake-surefoot.ts'
import { createClient } from './client.ts'

const BODY = { messages: [{ role: 'user', content: 'Hi there' }] }

const LOOP: Record<string, unknown> = {}
LOOP['itself'] = LOOP

let script: Script | undefined
let fake: FakeSurefoot
let server: SurefootServer
let client: Surefoot

beforeEach(async () => {
  script = undefined
  fake = createFakeSurefoot((call, sink, signal) => (script ?? echo)(call, sink, signal))
  server = await createServer({ surefoot: fake, port: 0 })
  client = createClient({ url: server.url, fallback: false })
})

afterEach(() => server.close({ drainMs: 0 }))

async function collect(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

test('a question is answered whole, over the stream and buffered', async () => {
  const answer = await client.chat('What is water?')
  expect(answer).toMatchObject({ message: { content: 'What is water?' }, served: 'model', attempts: 1 })
  expect(fake.calls[0]?.options.buffered).toBe(true)
})

test("with stream: true the answer comes in Ollama's lines", async () => {
  const stream = await client.chat({ ...BODY, model: 'tiny', stream: true })
  const lines = []
  for await (const { model, message, done } of stream) lines.push([model, message.content, done])
  expect(lines).toEqual([
    ['tiny', 'Hi ', false],
    ['tiny', 'there', false],
    ['tiny', '', true],
  ])
})

test('a run tells every event of the server, and its answer', async () => {
  script = async (_call, sink) => {
    sink.emit({ type: 'queued', position: 1, waitingFor: 'slot' })
    sink.emit({ type: 'attempt', attempt: 1, backend: 'http://gpu-a:11434' })
    sink.emit(delta('Hi'))
    sink.emit({ type: 'resumed', atChar: 2, attempt: 2, backend: 'http://gpu-b:11434' })
    sink.emit(delta('!'))
    return 'Hi!'
  }
  const run = client.run('Hi')
  expect(run.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect((await collect(run)).map(({ type }) => type)).toEqual([
    'queued',
    'attempt',
    'delta',
    'resumed',
    'delta',
    'finish',
  ])
  expect((await run.answer).message.content).toBe('Hi!')
  // One id on both sides, so that the server's log can be asked about this run.
  expect((await run.answer).id).toBe(run.id)
  expect(fake.calls[0]?.options.runId).toBe(run.id)
})

test('all options of both forms reach the server', async () => {
  const whose = {
    priority: 'low',
    tenant: 'school',
    affinityKey: 'lesson-3',
    stickyKey: 'pupil-7',
    cache: true,
    resume: false,
  } as const
  const options = { system: 'Be kind.', temperature: 0, model: 'tiny', deadlineMs: 5000, ...whose }
  await client.chat('Hi', options)
  expect(fake.calls[0]).toMatchObject({ input: 'Hi', options: { ...options, buffered: true } })

  await client.chat({ ...BODY, model: 'other', options: { seed: 1 }, think: false }, options)
  expect(fake.calls[1]).toMatchObject({
    input: { ...BODY, model: 'tiny', options: { seed: 1 }, think: false },
    options: { system: 'Be kind.', temperature: 0, deadlineMs: 5000, buffered: true, ...whose },
  })

  await client.chat({ ...BODY, model: 'other' })
  expect(fake.calls[2]?.input).toEqual({ ...BODY, model: 'other' })
})

test.each([null, 'warm', 7])('options that are none (%j) come out of the run as wrong input', async (options) => {
  const refusal = { code: 'INVALID_REQUEST', message: 'The options must be an object.' }
  await expect(client.chat('Hi', options as never)).rejects.toMatchObject(refusal)
  await expect(client.run('Hi', options as never).answer).rejects.toMatchObject(refusal)
  expect(fake.calls).toEqual([])
})

test('headers are made anew for each request, and a function that fails is named', async () => {
  await using guarded = await createServer({ surefoot: fake, port: 0, keys: ['key-2'] })
  let calls = 0
  const headers = async () => ({ authorization: `Bearer key-${++calls}` })
  const keyed = createClient({ url: guarded.url, headers })
  await expect(keyed.chat('Hi')).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  expect((await keyed.chat('Hi')).served).toBe('model')
  expect(calls).toBe(2)

  const failing = createClient({ url: guarded.url, headers: () => Promise.reject(new Error('no token')) })
  await expect(failing.chat('Hi')).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
    message: expect.stringContaining('headers'),
  })
})

test.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s comes out as the server threw it', async (code) => {
  const fields = { code, message: 'It failed.', hint: 'Do this.', attempts: 0, retryAfterMs: 1500, backend: 'http://b' }
  script = async () => {
    throw new SurefootError(fields)
  }
  const chats = [() => client.chat('Hi'), () => client.run('Hi').answer, () => client.chat({ ...BODY, stream: true })]
  for (const chat of chats) {
    const error = await chat().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(SurefootError.is(error)).toBe(true)
    expect((error as SurefootError).toJSON()).toEqual(fields)
  }
  expect(fake.calls).toHaveLength(3)
})

test('an error in the midst of an answer keeps its code and holds what was shown', async () => {
  script = async (_call, sink) => {
    sink.emit(delta('Hello '))
    throw new SurefootError({ code: 'RESPONSE_TIMEOUT', message: 'Too slow.' })
  }
  const run = client.run('Hi')
  await expect(collect(run)).rejects.toMatchObject({ code: 'RESPONSE_TIMEOUT', partial: 'Hello ' })
  await expect(run.answer).rejects.toMatchObject({ partial: 'Hello ' })
})

test.each<[string, unknown, unknown]>([
  ['an empty message', '', undefined],
  ['blanks', '  ', undefined],
  ['no message', undefined, undefined],
  ['null', null, undefined],
  ['a number', 5, undefined],
  ['a list', [], undefined],
  ['no messages', {}, undefined],
  ['an empty list of messages', { messages: [] }, undefined],
  ['a message without content', { messages: [{ role: 'user' }], stream: true }, undefined],
  ['a system prompt that is a number', 'Hi', { system: 1 }],
  ['a temperature that is a text', 'Hi', { temperature: 'hot' }],
  ['a temperature below 0', 'Hi', { temperature: -1 }],
  ['a temperature that is no number', 'Hi', { temperature: Number.NaN }],
  ['an empty model', 'Hi', { model: '' }],
  ['a deadline of 0', 'Hi', { deadlineMs: 0 }],
  ['buffered as text', 'Hi', { buffered: 'yes' }],
  ['a signal that is none', 'Hi', { signal: {} }],
  ['resume as text', 'Hi', { resume: 'yes' }],
  ['cache as text', 'Hi', { cache: 'yes' }],
  ['an empty sticky key', 'Hi', { stickyKey: '' }],
  ['a priority that is none', 'Hi', { priority: 'urgent' }],
  ['an empty tenant', 'Hi', { tenant: '' }],
  ['an affinity key that is too long', 'Hi', { affinityKey: 'x'.repeat(257) }],
  ['a bigint', { ...BODY, options: { num_ctx: 10n } }, undefined],
  ['a loop', { ...BODY, tools: [LOOP] }, undefined],
])('%s is refused in one sentence, without a request', async (_what, input, options) => {
  const fetch = vi.fn<typeof globalThis.fetch>()
  const strict = createClient({ url: server.url, fetch: fetch as never })
  await expect(strict.chat(input as string, options as object)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringMatching(/^[A-Za-z].*\.$/),
  })
  await expect(strict.run(input as string, options as object).answer).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  expect(fetch).not.toHaveBeenCalled()
})

test('experiments and feedback come through', async () => {
  fake.experiments = async () => [{ name: 'size', model: 'tiny', goal: 'success', variants: [], observed: 0 }]
  const judged: unknown[] = []
  fake.feedback = async (...said) => judged.push(said.slice(0, 2)) > 0
  expect(await client.experiments()).toMatchObject([{ name: 'size' }])
  const { id } = await client.chat('Hi')
  expect(await client.feedback(id, true)).toBe(true)
  expect(judged).toEqual([[id, true]])
  await expect(client.feedback('no id', true)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('health, models and backends answer', async () => {
  expect(await client.health({ force: true })).toEqual(HEALTH)
  expect(await client.models()).toEqual([])
  expect(await client.backends()).toEqual([])
})

test.each([
  undefined,
  null,
  5,
  'ftp://host',
  'localhost:8000',
  '127.0.0.1:8000',
  'localhost',
  '//host',
  'http:///x',
  'http://exa mple',
  'http://host:99999',
  'http://host?a=b',
  'http://host/#x',
  '/api?a=b',
  'http://user:se-cret@host',
  'http://user:se/cret@host',
  new URL('http://se-cret@host'),
])('the url %s is refused at once, without its password', (url) => {
  expect(() => createClient({ url: url as string })).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.not.stringMatching(/cret/) }),
  )
})

test.each<[string, Record<string, string>]>([
  ['a name with a space', { 'bad header': 'x' }],
  ['a value beyond Latin-1', { authorization: 'Bearer ключ' }],
  ['a value with a line break', { authorization: 'Bearer a\nb' }],
])("%s in the headers is the caller's mistake, not a server that is away", async (_what, headers) => {
  const mistaken = createClient({ url: server.url, headers })
  for (const call of [() => mistaken.chat('Hi'), () => mistaken.run('Hi').answer, () => mistaken.health()]) {
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('header') })
    expect(JSON.stringify(error)).not.toMatch(/ключ|a.{1,2}b/)
  }
  expect(fake.calls).toHaveLength(0)
})

test('a path without a page to be a path of is said so', async () => {
  await expect(createClient({ url: '/api' }).chat('Hi')).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
})

test.each([0, -1, Number.NaN, Infinity])('silenceMs %s is refused at once', (silenceMs) => {
  expect(() => createClient({ url: server.url, silenceMs })).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG' }),
  )
})

test('a url may end in a slash and have a path', async () => {
  expect((await createClient({ url: `${server.url}/` }).chat('Hi')).served).toBe('model')
  const seen: string[] = []
  const fetch = async (url: string): Promise<Response> => {
    seen.push(url)
    throw new TypeError('offline')
  }
  await createClient({ url: new URL('http://host/api/'), fetch }).chat('Hi')
  await createClient({ url: '/api', fetch })
    .health()
    .catch(() => undefined)
  expect(seen).toContain('http://host/api/trpc/chatStream?batch=1')
  expect(seen).toContain('/api/trpc/health')
})

test('100 chats at once are all answered', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => client.chat(`Question ${index}`)))
  expect(answers.map(({ message }) => message.content)).toEqual(answers.map((_, index) => `Question ${index}`))
})
