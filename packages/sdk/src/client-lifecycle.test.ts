import { getEventListeners } from 'node:events'
import { connect } from 'node:net'

import type { RunEvent, Surefoot } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import type { SurefootServer } from '@surefoot/server'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createFakeSurefoot, delta, echo } from '../test/fake-surefoot.ts'
import type { FakeSurefoot, Script } from '../test/fake-surefoot.ts'
import { createTcp } from '../test/meddler.ts'
import { until, watchRejections } from '../test/rejections.ts'
import { createClient } from './client.ts'

const BODY = { messages: [{ role: 'user', content: 'Hi there' }] }

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

/** Shows one word and then waits for its end. */
const hanging: Script = async ({ options }, sink, signal) => {
  if (options.buffered !== true) sink.emit(delta('Hello '))
  return await new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

async function collect(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

test("the caller's abort reaches the server and is rethrown untouched", async () => {
  script = hanging
  const reason = { why: 'the caller left' }
  const controller = new AbortController()
  const whole = client.chat('Hi', { signal: controller.signal })
  const run = client.run('Hi', { signal: controller.signal })
  const events = collect(run)
  await until(() => fake.calls.length === 2)
  controller.abort(reason)
  await Promise.all([whole, events, run.answer].map((promise) => expect(promise).rejects.toBe(reason)))
  await until(() => fake.aborted.length === 2)
  await expect(client.chat('Hi', { signal: controller.signal })).rejects.toBe(reason)
  await expect(client.health({ signal: controller.signal })).rejects.toBe(reason)
  expect(fake.calls).toHaveLength(2)
})

test.each<[string, (client: Surefoot) => Promise<void>]>([
  [
    'break',
    async (surefoot) => {
      for await (const event of surefoot.run('Hi')) if (event.type === 'delta') break
    },
  ],
  [
    'stop()',
    async (surefoot) => {
      const run = surefoot.run('Hi')
      await run[Symbol.asyncIterator]().next()
      run.stop()
    },
  ],
  [
    'abort() of a stream',
    async (surefoot) => {
      ;(await surefoot.chat({ ...BODY, stream: true })).abort()
    },
  ],
])('%s stops the generation', async (_what, leave) => {
  const seen = watchRejections()
  script = hanging
  await leave(client)
  await until(() => fake.aborted.length === 1)
  await client.close()
  expect(seen).toEqual([])
})

test('one of two calls of the same moment is aborted alone', async () => {
  const controller = new AbortController()
  script = hanging
  const first = client.chat('Hi', { signal: controller.signal })
  script = async (call, sink, signal) => (call.input === 'Hi' ? await hanging(call, sink, signal) : 'whole')
  const second = client.chat('Ho')
  controller.abort()
  await expect(first).rejects.toMatchObject({ name: 'AbortError' })
  expect((await second).message.content).toBe('whole')
})

test('nothing is left listening on a long-lived signal', async () => {
  const { signal } = new AbortController()
  const failing = createClient({ url: 'http://127.0.0.1:1' })
  for (let count = 0; count < 25; count++) {
    await client.chat('Hi', { signal })
    await failing.chat('Hi', { signal })
    await client.health({ signal })
    for await (const event of client.run('Hi there', { signal })) if (event.type === 'delta') break
    await client.chat('', { signal }).catch(() => undefined)
  }
  await client.close()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('chats leave no timer behind, and share a kept-alive connection', async () => {
  await using way = await createTcp((socket) => {
    const onward = connect(server.port, '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    onward.on('error', () => socket.destroy())
  })
  const near = createClient({ url: way.url, fallback: false })
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  await near.chat('Hi')
  const before = timers()
  for (let count = 0; count < 20; count++) {
    await near.chat('Hi')
    await near.health()
  }
  await until(() => timers() <= before)
  // Two at most: the end of an answer and the next question may cross.
  expect(way.seen()).toBeLessThanOrEqual(2)
})

test('a deadline that the server does not keep is kept here, and the caller is not aborted by it', async () => {
  const { signal } = new AbortController()
  script = async (call, sink, aborted) => await hanging(call, sink, aborted)
  const chat = client.chat('Hi', { deadlineMs: 50, signal })
  await expect(chat).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', message: expect.stringContaining('50 ms') })
  await until(() => fake.aborted.length === 1)
  expect(signal.aborted).toBe(false)
})

test('close() lets running calls end and refuses new ones, without a fallback', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  script = () => promise
  const closing = createClient({ url: server.url })
  const running = closing.chat('Hi')
  await until(() => fake.calls.length === 1)
  let isClosed = false
  const closed = closing.close().then(() => {
    isClosed = true
  })
  const late = [
    () => closing.chat('Hi'),
    () => closing.run('Hi').answer,
    () => closing.health(),
    () => closing.models(),
  ]
  for (const call of late) {
    await expect(call()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  }
  expect(isClosed).toBe(false)
  resolve('done')
  expect((await running).message.content).toBe('done')
  await closed
})
