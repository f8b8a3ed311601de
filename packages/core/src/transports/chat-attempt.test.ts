import { getEventListeners } from 'node:events'

import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'

import { Backend } from '../backends/backend.ts'
import type { Residency } from '../backends/model-state.ts'
import { readConfig } from '../config/read-config.ts'
import type { Connection } from '../connection.ts'
import type { AttemptFailure } from '../outcome/attempt-failure.ts'
import type { Call, CallContext, Reply } from '../service.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../telemetry/telemetry.ts'
import { createOllamaTransport } from './ollama.ts'

// The socket is played by the test; with real ones see ../../test.

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const BASE = '"model":"llama3.2","created_at":"2026-11-23T03:31:41Z"'
const line = (content: string): string =>
  `{${BASE},"message":{"role":"assistant","content":"${content}"},"done":false}\n`
const LAST = `{${BASE},"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n`

function createRig({ residency = 'unknown' as Residency, request = {}, behind = false } = {}) {
  const time = createVirtualTime()
  const config = readConfig({ backends: 'http://a:1' })
  const backend = new Backend('http://a:1', config, time, createTelemetry())
  if (residency !== 'unknown') backend.models.observed('llama3.2', residency, 0)
  if (behind) backend.lease('llama3.2')
  const abort = new AbortController()
  const events: unknown[] = []
  const told: string[] = []
  let handler: Dispatcher.DispatchHandler | undefined
  let over = false
  const controller = {
    // As undici does: it tells of the abort at once, and of one end only.
    abort(reason: Error) {
      if (over) return
      over = true
      told.push('cut')
      handler?.onResponseError?.(controller, reason)
    },
    pause: () => told.push('pause'),
    resume: () => told.push('resume'),
  } as unknown as Dispatcher.DispatchController
  const connection = {
    dispatch(method: string, path: string, _body: Buffer, given: Dispatcher.DispatchHandler) {
      told.push(`${method} ${path}`)
      handler = given
      handler.onRequestStart?.(controller, {})
    },
    renew: () => told.push('renew'),
  } as unknown as Connection
  const rig = {
    time,
    backend,
    abort,
    events,
    told,
    looks: [] as number[],
    /** What telemetry was told. */
    failures: [] as TelemetryEvent[],
    /** What a look into the memory finds. */
    found: 'unknown' as Residency,
    /** How long a look takes. */
    lookMs: 0,
    reply: undefined as unknown as Promise<Reply>,
    answer: (status = 200, headers = {}) => handler?.onResponseStart?.(controller, status, headers, ''),
    send: (text: string) => handler?.onResponseData?.(controller, Buffer.from(text)),
    end() {
      over = true
      handler?.onResponseEnd?.(controller, {})
    },
    breakOff(code: string) {
      over = true
      handler?.onResponseError?.(controller, Object.assign(new Error(code), { code }))
    },
    listeners: () => getEventListeners(abort.signal, 'abort').length,
    /** What the attempt failed with. */
    async failure() {
      const error = (await rig.reply.catch((failure: unknown) => failure)) as AttemptFailure
      return error.verdict
    },
    /** The text of the whole answer. */
    async text() {
      let text = ''
      for await (const { text: more } of (await rig.reply).body) text += more
      return text
    },
    /** Nothing of it is left. */
    expectGone() {
      expect(backend.slots.held).toBe(0)
      expect(time.pendingTimers).toBe(0)
      expect(rig.listeners()).toBe(0)
    },
  }
  const telemetry = createTelemetry()
  telemetry.on((event) => rig.failures.push(event))
  const transport = createOllamaTransport({
    config,
    runtime: time,
    telemetry,
    connectionOf: () => connection,
    lookIntoMemory: async () => {
      rig.looks.push(time.clock.monotonicMs())
      if (rig.lookMs > 0) await new Promise<void>((resolve) => void time.timers.set(rig.lookMs, resolve))
      backend.models.observed('llama3.2', rig.found, time.clock.monotonicMs())
    },
  })
  const call: Call = {
    kind: 'chat',
    model: 'llama3.2',
    request: { ...REQUEST, ...request },
    body: Buffer.from('{}'),
    buffered: false,
  }
  const context: CallContext = {
    id: 'run-1',
    signal: abort.signal,
    abort: (reason) => abort.abort(reason),
    deadlineAtMs: 900_000,
    attempt: 1,
    exclude: new Set(),
    lease: backend.lease('llama3.2'),
    emit: (event) => events.push(event),
    defer: () => {},
  }
  rig.reply = transport(call, context)
  rig.reply.catch(() => {})
  return rig
}

describe('an attempt', () => {
  it('answers with the first token in hand, and holds its slot to the end of the stream', async () => {
    const rig = createRig()
    rig.answer()
    rig.send(line('Wa'))
    const reply = await rig.reply
    expect(reply.backend).toBe('http://a:1')
    rig.send(line('ter') + LAST)
    expect(rig.backend.slots.held).toBe(1)
    rig.end()
    expect(await rig.text()).toBe('Water')
    expect(rig.told).toEqual(['POST /api/chat'])
    expect(rig.backend.attempts).toEqual({ succeeded: 1, failed: 0, neutral: 0 })
    rig.expectGone()
  })

  it('a connection that stays open after the final line is cut, and it was whole all the same', async () => {
    const rig = createRig()
    rig.answer()
    rig.send(line('Water') + LAST)
    expect(await rig.text()).toBe('Water')
    await rig.time.advance(250)
    expect(rig.told).toContain('cut')
    expect(rig.backend.attempts.succeeded).toBe(1)
    rig.expectGone()
  })

  it.each([
    ['an end without the mark', (rig: ReturnType<typeof createRig>) => rig.end(), 'STREAM_INTERRUPTED'],
    [
      'an error line',
      (rig: ReturnType<typeof createRig>) => rig.send('{"error":"unexpected EOF"}\n'),
      'STREAM_INTERRUPTED',
    ],
    ['a bad line', (rig: ReturnType<typeof createRig>) => rig.send('oops\n'), 'STREAM_INTERRUPTED'],
    ['a cut', (rig: ReturnType<typeof createRig>) => rig.breakOff('UND_ERR_SOCKET'), 'STREAM_INTERRUPTED'],
  ] as const)('%s in the middle is a failure, never a short answer', async (_name, breaks, code) => {
    const rig = createRig()
    rig.answer()
    rig.send(line('Wa'))
    breaks(rig)
    await expect(rig.text()).rejects.toMatchObject({ verdict: { error: { code } } })
    expect(rig.backend.attempts.failed).toBe(1)
    expect(rig.failures).toMatchObject([{ type: 'attempt-fail', id: 'run-1', attempt: 1, backend: 'http://a:1', code }])
    rig.expectGone()
  })

  it('a socket that died while it was idle asks for fresh ones', async () => {
    const rig = createRig()
    rig.breakOff('ECONNRESET')
    expect(await rig.failure()).toMatchObject({ class: 'connect', cheap: true })
    expect(rig.told).toContain('renew')
    rig.expectGone()
  })

  it('an error status is read to its end, and judged with its Retry-After', async () => {
    const rig = createRig()
    rig.answer(429, { 'retry-after': '7' })
    rig.send('{"error":"too ')
    rig.send('many"}')
    rig.end()
    expect(await rig.failure()).toMatchObject({ class: 'overload', sameAfterMs: 7_000, cheap: true })
    rig.expectGone()
  })

  it('of an endless error body only the beginning is read', async () => {
    const rig = createRig()
    rig.answer(500)
    for (let count = 0; count < 5; count++) rig.send('x'.repeat(1_000))
    expect(await rig.failure()).toMatchObject({ error: { code: 'BACKEND_FAILED' } })
    expect(rig.told).toContain('cut')
    rig.expectGone()
  })
})

describe('white space alone', () => {
  it('is no answer yet: what breaks after it can be asked for again, and the caller has seen nothing', async () => {
    const rig = createRig()
    rig.answer()
    rig.send(line('\\n') + line(' '))
    let isAnswered = false
    void rig.reply.then(
      () => (isAnswered = true),
      () => {},
    )
    await rig.time.advance(0)
    expect(isAnswered).toBe(false)
    rig.breakOff('ECONNRESET')
    expect(await rig.failure()).toMatchObject({ class: 'stream', retry: 'anywhere' })
    // `retry` tells of it.
    expect(rig.failures).toEqual([])
    rig.expectGone()
  })

  it('is kept in its place when more comes', async () => {
    const rig = createRig()
    rig.answer()
    rig.send(line('\\n') + line(' ') + line('Wet'))
    rig.send(LAST)
    rig.end()
    expect(await rig.text()).toBe('\n Wet')
    rig.expectGone()
  })

  it('may be all there is, and more of it than anybody waits for', async () => {
    const blank = createRig()
    blank.answer()
    blank.send(line(' ') + LAST)
    blank.end()
    expect(await blank.text()).toBe(' ')
    const looping = createRig()
    looping.answer()
    looping.send(line(' ').repeat(65))
    expect((await looping.reply).backend).toBe('http://a:1')
    looping.abort.abort(new Error('enough'))
    looping.expectGone()
  })

  it('is a sign of life all the same', async () => {
    const rig = createRig({ residency: 'in-memory' })
    rig.answer()
    rig.send(line(' '))
    expect(rig.backend.liveness.tokenAtMs).toBe(rig.time.clock.monotonicMs())
    await rig.time.advance(60_000)
    expect(await rig.failure()).toMatchObject({ class: 'stream', error: { code: 'RESPONSE_TIMEOUT' } })
    rig.expectGone()
  })
})

describe('silence', () => {
  it('of a model in memory is a failure after 60 s', async () => {
    const rig = createRig({ residency: 'in-memory' })
    rig.found = 'in-memory'
    await rig.time.advance(59_999)
    expect(rig.backend.slots.held).toBe(1)
    await rig.time.advance(2)
    expect(await rig.failure()).toMatchObject({ retry: 'elsewhere', error: { code: 'RESPONSE_TIMEOUT' } })
    expect(rig.told).toContain('cut')
    expect(rig.backend.attempts).toEqual({ succeeded: 0, failed: 1, neutral: 0 })
    rig.expectGone()
  })

  it('of a model that is found to be loading goes on, up to 600 s, and the caller is told', async () => {
    const rig = createRig()
    rig.found = 'loading'
    await rig.time.advance(1_000)
    expect(rig.looks).toEqual([1_000])
    expect(rig.events).toEqual([{ type: 'loading', model: 'llama3.2', backend: 'http://a:1' }])
    await rig.time.advance(598_000)
    expect(rig.backend.slots.held).toBe(1)
    await rig.time.advance(2_000)
    expect(await rig.failure()).toMatchObject({ error: { code: 'RESPONSE_TIMEOUT' } })
    expect(rig.events).toHaveLength(1)
    rig.expectGone()
  })

  it('in the middle is a failure after 60 s since the last token', async () => {
    const rig = createRig()
    rig.answer()
    for (let count = 0; count < 10; count++) {
      rig.send(line('x'))
      await rig.time.advance(59_000)
    }
    await rig.time.advance(1_001)
    await expect(rig.text()).rejects.toMatchObject({
      verdict: { class: 'stream', error: { code: 'RESPONSE_TIMEOUT' } },
    })
    rig.expectGone()
  })

  it('in the middle is noticed also when the first token came during a look into the memory', async () => {
    const rig = createRig()
    rig.found = 'in-memory'
    rig.lookMs = 25
    await rig.time.advance(1_010)
    rig.answer()
    rig.send(line('x'))
    await rig.time.advance(59_999)
    expect(rig.backend.slots.held).toBe(1)
    await rig.time.advance(1)
    await expect(rig.text()).rejects.toMatchObject({ verdict: { error: { code: 'RESPONSE_TIMEOUT' } } })
    rig.expectGone()
  })

  it('in the middle is as short after a long load as it always is', async () => {
    const rig = createRig()
    rig.found = 'loading'
    await rig.time.advance(100_000)
    rig.answer()
    rig.send(line('x'))
    await rig.time.advance(59_999)
    expect(rig.backend.slots.held).toBe(1)
    await rig.time.advance(1)
    await expect(rig.text()).rejects.toMatchObject({ verdict: { error: { code: 'RESPONSE_TIMEOUT' } } })
    rig.expectGone()
  })

  it.each([0, 1_010, 100_000])(
    'of a refusal whose body does not end is one second, also when it came after %i ms',
    async (afterMs) => {
      const rig = createRig()
      rig.found = 'loading'
      rig.lookMs = 25
      await rig.time.advance(afterMs)
      rig.answer(500)
      rig.send('{"error":')
      await rig.time.advance(1_000)
      expect(await rig.failure()).toMatchObject({ error: { code: 'BACKEND_FAILED' } })
      await rig.time.advance(25)
      rig.expectGone()
    },
  )

  it.each([{ format: 'json' }, { tools: [{}] }])('with %j may last 180 s: text is held back then', async (request) => {
    const rig = createRig({ residency: 'in-memory', request })
    rig.found = 'in-memory'
    rig.answer()
    rig.send(line('x'))
    await rig.time.advance(179_000)
    expect(rig.backend.slots.held).toBe(1)
    await rig.time.advance(1_001)
    await expect(rig.text()).rejects.toMatchObject({ verdict: { error: { code: 'RESPONSE_TIMEOUT' } } })
  })

  it('while the reader takes its time is not held against the backend', async () => {
    const rig = createRig()
    rig.answer()
    for (let count = 0; count < 300; count++) rig.send(line('x'))
    expect(rig.told).toContain('pause')
    await rig.time.advance(600_000)
    const text = rig.text()
    await rig.time.advance(0)
    expect(rig.told).toContain('resume')
    rig.send(LAST)
    rig.end()
    expect(await text).toBe('x'.repeat(300))
    expect(rig.backend.attempts).toEqual({ succeeded: 1, failed: 0, neutral: 0 })
    rig.expectGone()
  })
})

describe('a deadline', () => {
  const DEADLINE = new SurefootError({ code: 'DEADLINE_EXCEEDED', message: 'No whole answer within 60 s.' })
  const FAILED = { succeeded: 0, failed: 1, neutral: 0 }
  const NEUTRAL = { succeeded: 0, failed: 0, neutral: 1 }

  it.each([
    ['of a backend that was silent as long as it is waited for is a failure of it', 59_900, FAILED],
    ['that was short proves nothing', 10, NEUTRAL],
    ['of an attempt that began late proves nothing', 30_000, NEUTRAL],
  ])('%s', async (_name, silentMs, attempts) => {
    const rig = createRig({ residency: 'in-memory' })
    await rig.time.advance(silentMs)
    rig.abort.abort(DEADLINE)
    await expect(rig.reply).rejects.toBe(DEADLINE)
    expect(rig.told).toContain('cut')
    expect(rig.backend.attempts).toEqual(attempts)
    expect(rig.failures.map(({ type }) => type)).toEqual(attempts === FAILED ? ['attempt-fail'] : [])
    rig.expectGone()
  })

  it('in the middle counts by the silence since the last token alone', async () => {
    for (const [silentMs, attempts] of [
      [59_000, FAILED],
      [1_000, NEUTRAL],
    ] as const) {
      const rig = createRig()
      rig.answer()
      rig.send(line('x'))
      await rig.time.advance(59_000)
      rig.send(line('x'))
      await rig.time.advance(silentMs)
      rig.abort.abort(DEADLINE)
      await expect(rig.text()).rejects.toBe(DEADLINE)
      expect(rig.backend.attempts).toEqual(attempts)
      rig.expectGone()
    }
  })

  it('that a reader has run into who takes its time is not held against the backend', async () => {
    const rig = createRig()
    rig.answer()
    for (let count = 0; count < 300; count++) rig.send(line('x'))
    await rig.time.advance(100_000)
    rig.abort.abort(DEADLINE)
    expect(rig.backend.attempts).toEqual(NEUTRAL)
    rig.expectGone()
  })

  it('during a load leaves the load alone', async () => {
    const rig = createRig()
    rig.found = 'loading'
    await rig.time.advance(59_900)
    rig.abort.abort(DEADLINE)
    expect(rig.backend.slots.held).toBe(1)
    rig.answer()
    expect(rig.backend.attempts).toEqual(NEUTRAL)
    rig.expectGone()
  })

  it("of an attempt in the backend's own queue proves nothing", async () => {
    const rig = createRig({ residency: 'in-memory', behind: true })
    await rig.time.advance(59_900)
    rig.abort.abort(DEADLINE)
    expect(rig.backend.attempts).toEqual(NEUTRAL)
  })
})

describe('a caller who leaves', () => {
  it('cuts the generation at once; that is held against nobody', async () => {
    const rig = createRig({ residency: 'in-memory' })
    rig.answer()
    rig.send(line('Wa'))
    const reason = new Error('left')
    rig.abort.abort(reason)
    expect(rig.told).toContain('cut')
    rig.expectGone()
    await expect(rig.text()).rejects.toBe(reason)
    expect(rig.backend.attempts).toEqual({ succeeded: 0, failed: 0, neutral: 1 })
  })

  it('by leaving the loop does the same', async () => {
    const rig = createRig()
    rig.answer()
    rig.send(line('Wa') + line('ter'))
    for await (const { text } of (await rig.reply).body) {
      expect(text).toBe('Wa')
      break
    }
    expect(rig.told).toContain('cut')
    rig.expectGone()
  })

  it('during a load is released at once; the load goes on, and its answer is cut at the first byte', async () => {
    const rig = createRig({ residency: 'absent' })
    const reason = new Error('left')
    rig.abort.abort(reason)
    await expect(rig.reply).rejects.toBe(reason)
    expect(rig.told).toEqual(['POST /api/chat'])
    expect(rig.backend.slots.held).toBe(1)
    expect(rig.listeners()).toBe(0)
    await rig.time.advance(20_000)
    rig.answer()
    expect(rig.told).toContain('cut')
    rig.expectGone()
    expect(rig.backend.attempts).toEqual({ succeeded: 0, failed: 0, neutral: 1 })
  })

  it('during a load that fails learns nothing of it, but the failure counts', async () => {
    const ends: ((rig: ReturnType<typeof createRig>) => unknown)[] = [
      (rig) => rig.breakOff('ECONNRESET'),
      (rig) => {
        rig.answer(500)
        rig.send('{"error":"unexpected EOF"}')
        rig.end()
      },
      async (rig) => {
        rig.found = 'loading'
        await rig.time.advance(700_000)
      },
    ]
    for (const end of ends) {
      const rig = createRig({ residency: 'absent' })
      const reason = new Error('left')
      rig.abort.abort(reason)
      await end(rig)
      await expect(rig.reply).rejects.toBe(reason)
      expect(rig.backend.attempts).toEqual({ succeeded: 0, failed: 1, neutral: 0 })
      rig.expectGone()
    }
  })

  it('before it began sends nothing', async () => {
    const rig = createRig()
    rig.abort.abort(new Error('left'))
    await expect(rig.reply).rejects.toThrow('left')
    rig.expectGone()
  })
})
