import { SurefootError } from '@surefoot/protocol'
import type { RunEvent, Surefoot } from '@surefoot/protocol'
import { expect, test, vi } from 'vitest'

import { createFakeSurefoot, hangAfter, say } from '../../test/fake-surefoot.ts'
import type { Script } from '../../test/fake-surefoot.ts'
import { createServer } from '../create-server.ts'

async function setup(script: Script = say('Water ', 'is wet.')) {
  const surefoot = createFakeSurefoot(script)
  const server = await createServer({ surefoot, port: 0 })
  return {
    surefoot,
    url: server.url,
    chat: (body: unknown, init: RequestInit = {}) =>
      fetch(`${server.url}/api/chat`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
      }),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  }
}

const messages = [{ role: 'user', content: 'What is water?' }]

test('streams by default, one line a token, framed as Ollama does', async () => {
  await using t = await setup()
  const response = await t.chat({ model: 'llama3.2', messages })
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  const text = await response.text()
  expect(text.endsWith('\n')).toBe(true)
  const lines = text.slice(0, -1).split('\n')
  expect(lines.every((line) => line !== '')).toBe(true)
  const chunks = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(chunks.map((chunk) => (chunk['message'] as { content: string }).content)).toEqual(['Water ', 'is wet.', ''])
  expect(chunks.map((chunk) => chunk['done'])).toEqual([false, false, true])
  expect(chunks[0]).toMatchObject({ model: 'llama3.2', message: { role: 'assistant' } })
  expect(Object.keys(chunks.at(-1)!)).not.toContain('served')
})

test('stream: false gives one JSON of Ollama’s fields', async () => {
  await using t = await setup()
  const response = await t.chat({ messages, stream: false })
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(await response.json()).toEqual({
    model: 'llama3.2',
    created_at: '2026-11-23T10:00:00Z',
    message: { role: 'assistant', content: 'Water is wet.' },
    done: true,
    done_reason: 'stop',
    eval_count: 2,
  })
  expect(t.surefoot.calls[0]).toMatchObject({ options: { buffered: true } })
})

test.each([true, false])('headers say how it was served (stream: %s)', async (stream) => {
  await using t = await setup()
  const { headers, body } = await t.chat({ messages, stream })
  expect(headers.get('x-surefoot-run-id')).toBe('run-1')
  expect(headers.get('x-surefoot-attempts')).toBe('1')
  expect(headers.get('x-surefoot-backend')).toBe('http://gpu-a:11434')
  if (!stream) expect(headers.get('x-surefoot-served')).toBe('model')
  await body?.cancel()
})

test('a failure before the first token keeps its status, streamed or not', async () => {
  const error = new SurefootError({
    code: 'MODEL_NOT_FOUND',
    message: 'Model nope not found. Run: ollama pull nope',
    attempts: 1,
  })
  await using t = await setup(() => Promise.reject(error))
  for (const stream of [true, false]) {
    const response = await t.chat({ model: 'nope', messages, stream })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toContain('application/json')
    expect(await response.json()).toEqual({ error: 'Model nope not found. Run: ollama pull nope' })
    expect(response.headers.get('x-surefoot-code')).toBe('MODEL_NOT_FOUND')
    expect(response.headers.get('x-should-retry')).toBe('false')
  }
})

test('an unreachable backend is answered with what to do', async () => {
  const message = 'Cannot connect to Ollama at http://gpu-a:11434'
  await using t = await setup(() => Promise.reject(new SurefootError({ code: 'CANNOT_CONNECT', message })))
  const response = await t.chat({ messages })
  expect(response.status).toBe(502)
  expect(await response.json()).toEqual({
    error: `${message}. Start Ollama with \`ollama serve\`, or correct OLLAMA_BASE_URL.`,
  })
})

test('overload is 429 with Retry-After, and clients may retry it', async () => {
  await using t = await setup(() =>
    Promise.reject(new SurefootError({ code: 'QUEUE_FULL', message: 'The queue is full', retryAfterMs: 2_100 })),
  )
  const response = await t.chat({ messages })
  expect(response.status).toBe(429)
  expect(response.headers.get('retry-after')).toBe('3')
  expect(response.headers.get('x-should-retry')).toBeNull()
  await response.body?.cancel()
})

test('headers come with the first token', async () => {
  let say1: (() => void) | undefined
  const first = new Promise<void>((resolve) => {
    say1 = resolve
  })
  await using t = await setup(async (sink, call) => {
    await first
    await say('Water ')(sink, call)
    throw new SurefootError({ code: 'OVERLOADED', message: 'Busy' })
  })
  let hasHeaders = false
  const response = t.chat({ messages }).then((value) => {
    hasHeaders = true
    return value
  })
  await vi.waitFor(() => expect(t.surefoot.running).toBe(1))
  await fetch(`${t.url}/livez`)
  expect(hasHeaders).toBe(false)
  say1?.()
  expect((await response).status).toBe(200)
  await (await response).body?.cancel()
})

test.each([
  ['streamed, before the first token', true, []],
  ['streamed, while it answers', true, ['Water ']],
  ['whole', false, []],
])('a client that goes away stops the run: %s', async (_name, stream, words) => {
  await using t = await setup(hangAfter(...words))
  const abort = new AbortController()
  const call = t.chat({ messages, stream }, { signal: abort.signal }).then((response) => response.text())
  call.catch(() => {})
  await vi.waitFor(() => expect(t.surefoot.running).toBe(1))
  abort.abort()
  await expect(call).rejects.toThrow()
  await vi.waitFor(() => expect(t.surefoot.running).toBe(0), { timeout: 500 })
})

const NO_LOADS =
  'messages must hold at least one message: a chat without messages, which loads or unloads a model, is not taken ' +
  'here. Surefoot loads a model when it is asked for; keep_alive beside messages says how long it stays.'

const BAD_BODIES: [name: string, body: unknown, status: number, sentence: string][] = [
  ['no body', '', 400, 'The request has no body.'],
  ['no JSON', '{"model":', 400, 'The body is not valid JSON.'],
  ['no message', { model: 'm' }, 400, NO_LOADS],
  ['messages of a wrong type', { messages: 'Hi' }, 400, 'messages must be a list of messages.'],
  ['a load', { model: 'm', messages: [], keep_alive: '5m' }, 400, NO_LOADS],
  ['an unload', { model: 'm', messages: null, keep_alive: 0 }, 400, NO_LOADS],
  ['a model of a wrong type', { model: 5, messages }, 400, 'model must be a string.'],
  ['a blank model', { model: '   ', messages }, 400, 'model must not be empty.'],
  ['a stream of a wrong type', { messages, stream: 'yes' }, 400, 'stream must be true or false.'],
  [
    'a duration of a wrong type',
    { messages, keep_alive: {} },
    400,
    'keep_alive must be a duration or a number of seconds.',
  ],
  ['a list', [], 400, 'The request must be an object with messages.'],
  [
    'a content of a wrong type',
    { messages: [{ role: 'user', content: 1 }] },
    400,
    'messages[0].content must be a string.',
  ],
  [
    'too deep a body',
    `{"options":${'['.repeat(70)}${']'.repeat(70)}}`,
    400,
    'The body is nested deeper than 64 levels.',
  ],
]

test.each(BAD_BODIES)('%s is refused with one sentence and no call', async (_name, body, status, sentence) => {
  await using t = await setup()
  const response = await t.chat(body)
  expect(response.status).toBe(status)
  expect(await response.json()).toEqual({ error: sentence })
  expect(t.surefoot.calls).toHaveLength(0)
})

test('the Content-Type is ignored, as Ollama does', async () => {
  await using t = await setup()
  const response = await t.chat({ messages, stream: false }, { headers: { 'content-type': 'text/plain' } })
  expect(response.status).toBe(200)
})

test('a message may lack content where tool calls stand for it', async () => {
  await using t = await setup()
  const withTool = [...messages, { role: 'assistant', tool_calls: [{}] }]
  expect((await t.chat({ messages: withTool, stream: false })).status).toBe(200)
})

test('null stands for absent, as with Ollama', async () => {
  await using t = await setup()
  const nothing = { model: null, stream: null, options: null, tools: null, format: null, think: null, keep_alive: null }
  const nobody = { images: null, tool_calls: null, thinking: null }
  const withTool = { role: 'assistant', content: null, tool_calls: [{}], images: null }
  const response = await t.chat({ ...nothing, messages: [{ ...messages[0], ...nobody }, withTool], logprobs: null })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  await response.text()
  expect(t.surefoot.calls[0]?.input).toEqual({
    stream: true,
    messages: [...messages, { role: 'assistant', content: '', tool_calls: [{}] }],
    logprobs: null,
  })
})

test('priority and conversation come as headers', async () => {
  await using t = await setup()
  const headers = {
    'x-surefoot-priority': 'high',
    'x-surefoot-affinity': 'lesson-3',
    'x-surefoot-sticky': 'pupil-7',
    'x-surefoot-cache': 'false',
  }
  await (await t.chat({ messages }, { headers })).text()
  expect(t.surefoot.calls[0]?.options).toMatchObject({
    priority: 'high',
    affinityKey: 'lesson-3',
    stickyKey: 'pupil-7',
    cache: false,
  })

  const refused = await t.chat({ messages }, { headers: { 'x-surefoot-priority': 'urgent' } })
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { error: 'x-surefoot-priority must be critical, high, normal or low.' },
  ])
  const long = await t.chat({ messages }, { headers: { 'x-surefoot-affinity': 'x'.repeat(257) } })
  expect(long.status).toBe(400)
  for (const wrong of [{ 'x-surefoot-sticky': 'x'.repeat(257) }, { 'x-surefoot-cache': 'maybe' }]) {
    expect((await t.chat({ messages }, { headers: wrong })).status).toBe(400)
  }
  expect(t.surefoot.calls).toHaveLength(1)
})

test('an answer that was gone on with says so in its last line', async () => {
  await using t = await setup(async (sink, call) => {
    await say('Water ')(sink, call)
    sink.emit({ type: 'resumed', atChar: 6, attempt: 2, backend: 'http://gpu-b:11434' })
    await say('is ')(sink, call)
    sink.emit({ type: 'resumed', atChar: 9, attempt: 3, backend: 'http://gpu-c:11434' })
    await say('wet.')(sink, call)
  })
  const lines = (await (await t.chat({ messages })).text()).trim().split('\n')
  const parsed = lines.map((line) => JSON.parse(line) as { message: { content: string }; x_resume?: unknown })
  expect(parsed.map(({ message }) => message.content).join('')).toBe('Water is wet.')
  expect(parsed.at(-1)).toMatchObject({ done: true, x_resume: { count: 2, at_char: 9 } })
  expect(parsed.slice(0, -1).some((line) => 'x_resume' in line)).toBe(false)
})

const DEGRADED = { served: 'degraded', reason: 'BREAKER_OPEN', variant: 'size/small' } as const

test('an answer in another one’s place says so in the last line of a stream', async () => {
  await using t = await setup(async (sink) => {
    sink.emit({ type: 'delta', text: 'Water is wet.' })
    const message = { role: 'assistant', content: 'Water is wet.' }
    const answer = {
      ...DEGRADED,
      model: 'small',
      created_at: '',
      message,
      done: true,
      id: 'x',
      attempts: 2,
      resumed: 0,
    }
    sink.emit({ type: 'finish', answer, bytes: new TextEncoder().encode('{"done":true}') } as unknown as RunEvent)
  })
  const lines = (await (await t.chat({ messages })).text()).trim().split('\n')
  expect(JSON.parse(lines[1]!)).toEqual({
    model: 'small',
    created_at: '',
    message: { role: 'assistant', content: '' },
    done: true,
    x_served: { by: 'degraded', reason: 'BREAKER_OPEN', variant: 'size/small' },
  })
})

test.each([
  ['size/small', 'size/small'],
  ['size/模型 1', 'size/%E6%A8%A1%E5%9E%8B%201'],
])('a whole one says so in its headers, also as %s', async (variant, said) => {
  const fake = createFakeSurefoot()
  const run: Surefoot['run'] = (...asked) => {
    const made = fake.run(...asked)
    return { ...made, answer: made.answer.then((answer) => ({ ...answer, ...DEGRADED, variant })) }
  }
  const surefoot = { ...fake, run }
  await using server = await createServer({ surefoot, port: 0 })
  const body = JSON.stringify({ messages, stream: false })
  const { headers } = await fetch(`${server.url}/api/chat`, { method: 'POST', body })
  expect(['served', 'reason', 'variant'].map((name) => headers.get(`x-surefoot-${name}`))).toEqual([
    'degraded',
    'BREAKER_OPEN',
    said,
  ])
})

test('a prompt that is too long: what it takes, what there is, and the mend', async () => {
  await using t = await setup(async () => {
    throw new SurefootError({
      code: 'CONTEXT_OVERFLOW',
      message: 'The prompt is longer than the context of tiny (900 tokens, room for 512).',
      hint: 'Shorten the conversation.',
      neededTokens: 900,
      availableTokens: 512,
    })
  })
  const response = await t.chat({ messages })
  expect(response.status).toBe(422)
  expect(response.headers.get('x-surefoot-needed-tokens')).toBe('900')
  expect(response.headers.get('x-surefoot-available-tokens')).toBe('512')
  expect(await response.json()).toEqual({
    error: 'The prompt is longer than the context of tiny (900 tokens, room for 512). Shorten the conversation.',
  })
})

test('tags is the union of the backends’ models, without paths of their disks', async () => {
  await using t = await setup()
  const { models } = (await (await fetch(`${t.url}/api/tags`)).json()) as { models: unknown[] }
  expect(models).toEqual([
    {
      name: 'llama3.2:latest',
      model: 'llama3.2:latest',
      modified_at: '2026-11-01T10:00:00Z',
      size: 2_019_393_189,
      digest: 'a80c4f17acd5',
      details: { parent_model: '', family: 'llama' },
    },
  ])
})

test('ps lists what is in memory, version is the oldest backend’s, / is Ollama’s sign of life', async () => {
  await using t = await setup()
  expect(await (await fetch(`${t.url}/api/ps`)).json()).toEqual({
    models: [
      {
        name: 'llama3.2:latest',
        model: 'llama3.2:latest',
        size: 3_000,
        digest: 'a80c4f17acd5',
        details: { parent_model: '', family: 'llama' },
        expires_at: '2026-11-23T10:05:00.123456789Z',
        size_vram: 2_000,
      },
    ],
  })
  expect(await (await fetch(`${t.url}/api/version`)).json()).toEqual({ version: '0.24.0' })
  expect(await (await fetch(t.url)).text()).toBe('Ollama is running')
})

test.each(['/', '/api/tags', '/api/version', '/api/ps'])('HEAD %s is answered without a body', async (path) => {
  await using t = await setup()
  const response = await fetch(t.url + path, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('')
})

test.each([
  ['GET', '/api/chat', 'POST'],
  ['POST', '/api/tags', 'GET, HEAD'],
])('%s %s is refused with the methods it takes', async (method, path, allow) => {
  await using t = await setup()
  const response = await fetch(t.url + path, { method })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe(allow)
  expect(await response.json()).toHaveProperty('error')
})
