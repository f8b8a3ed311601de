import type { Socket } from 'node:net'

import { SurefootError } from '@surefoot/protocol'
import type { RunEvent } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { expect, test } from 'vitest'

import { createFakeSurefoot, delta } from '../test/fake-surefoot.ts'
import { failureOf, shownAndFailure, strict } from '../test/failures.ts'
import { createAnswering, createMeddler, createTcp } from '../test/meddler.ts'
import type { Meddling } from '../test/meddler.ts'
import { until, watchRejections } from '../test/rejections.ts'
import { createClient } from './client.ts'

test('nobody listens: the message names the url and says what to do', async () => {
  const { url } = await (async () => {
    await using gone = await createTcp(() => undefined)
    return { url: gone.url }
  })()
  const surefoot = strict(url)
  for (const call of [() => surefoot.chat('Hi'), () => surefoot.run('Hi').answer, () => surefoot.health()]) {
    const error = await failureOf(call())
    expect(error.code).toBe('SERVER_UNREACHABLE')
    expect(error.message).toContain(`${url}. Check that \`surefoot serve\` is running`)
  }
})

test('a host that does not exist', async () => {
  const error = await failureOf(strict('http://surefoot.invalid').health())
  expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', message: expect.stringContaining('surefoot.invalid') })
})

test.each<[number, string, string, string, RegExp]>([
  [502, 'text/html', '<h1>502 Bad Gateway</h1>', 'SERVER_UNREACHABLE', /status 502 and is a web page/],
  [504, 'text/html', '<h1>504</h1>', 'SERVER_UNREACHABLE', /504/],
  [503, 'application/json', '{"status":"unavailable"}', 'SERVER_UNREACHABLE', /503/],
  [404, 'text/html; charset=utf-8', '<h1>Not Found</h1>', 'SERVER_UNREACHABLE', /404.*Check the url/],
  [404, 'application/json', '[]', 'SERVER_UNREACHABLE', /404/],
  [413, 'text/html', '<h1>Too Large</h1>', 'PAYLOAD_TOO_LARGE', /too large/],
  [401, 'text/plain', 'who are you', 'UNAUTHORIZED', /key/],
  [403, 'text/html', '', 'FORBIDDEN', /403/],
  [429, 'text/plain', 'slow down', 'OVERLOADED', /429/],
  [200, 'text/html', '<title>Please log in to the Wi-Fi</title>', 'SERVER_UNREACHABLE', /status 200 and is a web page/],
  [204, 'application/json', '', 'SERVER_UNREACHABLE', /204/],
  [200, 'application/json', '{"status":"ok"}', 'SERVER_UNREACHABLE', /does not speak/],
  [200, 'application/json', 'not json at all\n', 'SERVER_UNREACHABLE', /does not speak/],
  [200, 'application/json', '', 'SERVER_UNREACHABLE', /does not speak/],
])('something else answers with %s, %s, %s', async (status, contentType, body, code, message) => {
  const seen = watchRejections()
  await using other = await createAnswering((_request, response) => {
    response.writeHead(status, { 'content-type': contentType, 'retry-after': '7' }).end(body)
  })
  const surefoot = strict(other.url)
  for (const call of [() => surefoot.run('Hi').answer, () => surefoot.chat('Hi'), () => surefoot.health()]) {
    const error = await failureOf(call())
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    if (status >= 400) expect(error.retryAfterMs).toBe(7000)
  }
  expect(seen).toEqual([])
})

test.each<[string, (socket: Socket) => void]>([
  ['a reset at once', (socket) => socket.resetAndDestroy()],
  ['a close after the request', (socket) => socket.once('data', () => socket.end())],
  ['a reset after the request', (socket) => socket.once('data', () => socket.resetAndDestroy())],
  ['garbage', (socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))],
])('%s: a whole answer is asked for once more, a streamed one is not', async (_what, onConnection) => {
  await using broken = await createTcp(onConnection)
  expect((await failureOf(strict(broken.url).chat('Hi'))).code).toBe('SERVER_UNREACHABLE')
  // fetch itself may try a reused socket again, never a fresh one.
  expect(broken.seen()).toBe(2)
  expect((await failureOf(strict(broken.url).run('Hi').answer)).code).toBe('SERVER_UNREACHABLE')
  expect(broken.seen()).toBe(3)
})

test('a whole answer of which nothing came is rescued by one more request', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  for (const then of ['reset', 'end'] as const) {
    await using cutOnce = await createMeddler(server.url, (nth) => (nth === 1 ? { bytes: 0, then } : { then: 'end' }))
    expect((await strict(cutOnce.url).chat('one two')).message.content).toBe('one two')
    expect(cutOnce.seen()).toBe(2)
  }
})

test('an error that the server sent is not repeated', async () => {
  const fake = createFakeSurefoot(async () => {
    throw new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'Broken behind the server.' })
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  expect((await failureOf(strict(server.url).chat('Hi'))).message).toBe('Broken behind the server.')
  expect(fake.calls).toHaveLength(1)
})

test.each<Meddling['then']>(['end', 'reset'])(
  'a stream cut at any byte is never taken for a whole: %s',
  async (then) => {
    const seen = watchRejections()
    await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
    let bytes = 0
    await using cutting = await createMeddler(server.url, () => ({ bytes, then }))
    const surefoot = strict(cutting.url)
    let length = 0
    await using measuring = await createMeddler(server.url, () => ({
      edit: (body) => {
        length = Buffer.byteLength(body)
        return body
      },
      then: 'end',
    }))
    await strict(measuring.url).run('one two').answer

    let wholes = 0
    for (; bytes <= length; bytes += 3) {
      const events: RunEvent[] = []
      const run = surefoot.run('one two')
      try {
        for await (const event of run) events.push(event)
        expect((await run.answer).message.content).toBe('one two')
        wholes++
      } catch (error) {
        const shown = events.map((event) => (event.type === 'delta' ? event.text : '')).join('')
        expect('one two'.startsWith(shown)).toBe(true)
        expect(error).toMatchObject(
          events.length > 0
            ? { code: 'STREAM_INTERRUPTED', partial: shown }
            : { code: expect.stringMatching(/^(?:SERVER_UNREACHABLE|STREAM_INTERRUPTED)$/) },
        )
      }
    }
    // Only what lacks nothing but the very end of the stream, after `finish`, counts.
    expect(wholes).toBeLessThan(20)
    expect(seen).toEqual([])
  },
)

test.each<[string, (body: string) => string]>([
  ['a delta is missing', (body) => body.replace(/^.*"text":"one ".*\n/m, '')],
  ['a delta is changed', (body) => body.replace('"text":"one "', '"text":"ten "')],
  ['the finish has no text', (body) => body.replace('"content":"one two"', '"content":7')],
  ['a line is garbage', (body) => body.replace(/^.*"text":"two".*$/m, '<html>')],
  ['the finish is missing', (body) => body.replace(/^.*"finish".*\n/m, '')],
])('%s: the text is not presented as whole', async (_what, edit) => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  await using editing = await createMeddler(server.url, () => ({ edit, then: 'end' }))
  const [shown, error] = await shownAndFailure(strict(editing.url))
  expect(error.code).toBe('STREAM_INTERRUPTED')
  expect(error.partial).toBe(shown)
})

test('a server that dies in the midst of an answer', async () => {
  const fake = createFakeSurefoot(async (_call, sink) => {
    sink.emit(delta('Hello '))
    return await new Promise(() => undefined)
  })
  const server = await createServer({ surefoot: fake, port: 0 })
  const run = strict(server.url).run('Hi')
  const iterator = run[Symbol.asyncIterator]()
  expect(await iterator.next()).toMatchObject({ value: { text: 'Hello ' } })
  await server.close({ drainMs: 0 })
  expect(await failureOf(iterator.next())).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: 'Hello ' })
})

test('an answer that is given up is not generated any further', async () => {
  const fake = createFakeSurefoot(async (_call, sink, signal) => {
    sink.emit(delta('Hello '))
    return await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  // Valid JSON that is no event, so that nothing below the client notices.
  const spoil = (): TransformStream<string, string> =>
    new TransformStream({
      transform: (text, controller) => controller.enqueue(text.replace(/\[\[\{"type":"delta".*?\}\]\]/, '[[null]]')),
    })
  const fetchSpoiled = async (url: string, init: RequestInit): Promise<Response> => {
    const { body, headers } = await fetch(url, init)
    const spoiled = body!.pipeThrough(new TextDecoderStream()).pipeThrough(spoil()).pipeThrough(new TextEncoderStream())
    return new Response(spoiled, { headers })
  }
  const run = createClient({ url: server.url, fetch: fetchSpoiled, fallback: false }).run('Hi')
  expect((await failureOf(run.answer)).code).toBe('STREAM_INTERRUPTED')
  await until(() => fake.aborted.length === 1)
})
