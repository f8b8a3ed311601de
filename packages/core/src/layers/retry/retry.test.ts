import { SurefootError } from '@surefoot/protocol'
import type { ChatAnswer } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../../config/read-config.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { classify } from '../../outcome/classify.ts'
import type { Failure } from '../../outcome/failure.ts'
import type { AwaitReturn } from '../../backends/returns.ts'
import type { Call, CallContext, CallEnd, CallPatience, Delta, Final, Reply, Service } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { RetryBudget } from './budget.ts'
import { createRetry } from './retry.ts'

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const CALL: Call = { kind: 'chat', model: 'llama3.2', request: REQUEST, body: Buffer.from('{}'), buffered: false }

const REFUSED: Failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }
const RESET: Failure = { kind: 'network', cause: { code: 'ECONNRESET' }, gotBytes: false, gotToken: false }
const CRASH: Failure = { kind: 'status', status: 500, body: '{"error":"unexpected EOF"}', elapsedMs: 5_000 }
const MISTAKE: Failure = { kind: 'status', status: 400, body: '{"error":"model is required"}', elapsedMs: 1 }
const MISSING: Failure = { kind: 'status', status: 404, body: '{"error":"model \'llama3.2\' not found"}', elapsedMs: 1 }
const SILENT: Failure = { kind: 'silence', silentMs: 60_000, gotToken: false }
const CUT: Failure = { kind: 'network', cause: { code: 'UND_ERR_SOCKET' }, gotBytes: true, gotToken: true }
const busyFor = (retryAfterMs?: number): Failure => ({
  kind: 'status',
  status: 429,
  body: '',
  retryAfterMs,
  elapsedMs: 1,
})

const chunk = (content: string, done: boolean) => ({
  model: 'llama3.2',
  created_at: '2026-11-23T03:31:41Z',
  message: { role: 'assistant', content },
  done,
})
const delta = (text: string): Delta => ({ type: 'delta', text, bytes: Buffer.from(text), chunk: chunk(text, false) })
const FINAL: Final = { bytes: Buffer.from('{}'), chunk: chunk('', true) }

/** What an attempt does: fails at once with that, or answers with those texts and then breaks or not. */
type Script = Failure | { readonly texts: readonly string[]; readonly then?: Failure } | { readonly throws: unknown }

const WATER: Script = { texts: ['Water', ' is wet.'] }

function failure(what: Failure, backend: string): AttemptFailure {
  return new AttemptFailure(classify(what, { backend, model: 'llama3.2' }), backend)
}

async function* body(texts: readonly string[], then: Failure | undefined, backend: string): Reply['body'] {
  yield* texts.map(delta)
  if (then !== undefined) throw failure(then, backend)
  return FINAL
}

interface RigOptions {
  readonly config?: SurefootConfig
  readonly backends?: readonly string[]
  readonly deadlineMs?: number
  readonly buffered?: boolean
  readonly awaitReturn?: AwaitReturn
  readonly budget?: RetryBudget
  readonly patience?: CallPatience
  readonly continueFrom?: CallContext['continueFrom']
  readonly hasReady?: (than: ReadonlySet<string>) => boolean
}

/**
 * The layer over a `next` that plays one script an attempt, on the first backend that is not excluded; and what a caller
 * sees of it.
 */
function createRig(scripts: readonly Script[], options: RigOptions = {}) {
  const { backends = ['a'], deadlineMs = 900_000, buffered = false } = options
  const time = createVirtualTime()
  const events: TelemetryEvent[] = []
  const telemetry = createTelemetry()
  telemetry.on((event) => events.push(event))
  const attempts: { atMs: number; attempt: number; backend: string; reason: string | undefined }[] = []
  const usable = new Set(backends)
  let played = 0
  const next: Service = async (_call, context) => {
    const backend = backends.find((name) => !context.exclude.has(name)) ?? backends[0]!
    attempts.push({
      atMs: time.clock.monotonicMs(),
      attempt: context.attempt,
      backend,
      reason: context.reason,
    })
    const script = scripts[Math.min(played++, scripts.length - 1)]!
    if ('throws' in script) throw script.throws
    // As the lease does: a backend that lacks the model is not usable for it.
    if (script === MISSING) usable.delete(backend)
    if ('kind' in script) throw failure(script, backend)
    return { backend, body: body(script.texts, script.then, backend) }
  }
  const controller = new AbortController()
  const context: CallContext = {
    id: 'run-1',
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    deadlineAtMs: deadlineMs,
    attempt: 1,
    exclude: new Set(),
    patience: options.patience,
    continueFrom: options.continueFrom,
    emit: () => {},
    defer: () => {},
  }
  const { hasReady } = options
  const config = readConfig({ jitter: 0, ...options.config })
  const layer = createRetry(config, {
    runtime: time,
    telemetry,
    awaitReturn: options.awaitReturn,
    ...(options.budget !== undefined && { budget: options.budget }),
    hasOther: (_model, than) => [...usable].some((name) => !than.has(name)),
    ...(hasReady !== undefined && { hasReady: (_model, than) => hasReady(than) }),
  })
  const service = layer(next)
  /** Text of the whole answer, or the error; time passes as needed. */
  const run = async (): Promise<string | SurefootError> => {
    const ended = service({ ...CALL, buffered }, context).then(async (reply) => {
      let text = ''
      for await (const { text: more } of reply.body) text += more
      return text
    })
    const outcome = ended.catch((error: unknown) => {
      if (error instanceof AttemptFailure) return error.verdict.error
      throw error
    })
    outcome.catch(() => {})
    await time.runUntilIdle()
    return await outcome
  }
  return { time, attempts, events, usable, controller, service, context, run }
}

const atMs = ({ attempts }: ReturnType<typeof createRig>): number[] => attempts.map(({ atMs: when }) => when)
const where = ({ attempts }: ReturnType<typeof createRig>): string => attempts.map(({ backend }) => backend).join('')

describe('trying again on the only backend', () => {
  it('a refused connection, a moment later; then it answers', async () => {
    const rig = createRig([REFUSED, WATER])
    expect(await rig.run()).toBe('Water is wet.')
    expect(atMs(rig)).toEqual([0, 10])
  })

  it('a reset before a byte, at once', async () => {
    const rig = createRig([RESET, WATER])
    expect(await rig.run()).toBe('Water is wet.')
    expect(atMs(rig)).toEqual([0, 0])
  })

  it('cheap failures until the deadline, and then the last error with the number of attempts', async () => {
    const rig = createRig([RESET], { deadlineMs: 20_000 })
    const error = (await rig.run()) as SurefootError
    expect(atMs(rig)).toEqual([0, 0, 1_000, 3_000, 7_000, 11_000, 15_000, 19_000])
    expect(error).toMatchObject({ code: 'CANNOT_CONNECT', attempts: 8 })
  })

  it('costly failures three times', async () => {
    const rig = createRig([CRASH])
    const error = (await rig.run()) as SurefootError
    expect(atMs(rig)).toEqual([0, 0, 1_000, 3_000])
    expect(error).toMatchObject({ code: 'BACKEND_FAILED', attempts: 4 })
  })

  it.each([
    ['refused', REFUSED],
    ['reset', RESET],
    ['crash', CRASH],
    ['busy', busyFor()],
  ])('guide: 3 retries after 1, 2, 4 s, whatever it is: %s', async (_name, what) => {
    const rig = createRig([what], { config: { preset: 'guide' } })
    const error = (await rig.run()) as SurefootError
    expect(atMs(rig)).toEqual([0, 1_000, 3_000, 7_000])
    expect(error.attempts).toBe(4)
  })

  it('silence, never: its work may still be running there', async () => {
    const rig = createRig([SILENT])
    expect(await rig.run()).toMatchObject({ code: 'RESPONSE_TIMEOUT', attempts: 1 })
    expect(rig.attempts).toHaveLength(1)
  })

  it('after the Retry-After, not before, and not after more than 30 s', async () => {
    const obeyed = createRig([busyFor(7_000), WATER])
    expect(await obeyed.run()).toBe('Water is wet.')
    expect(atMs(obeyed)).toEqual([0, 7_000])
    const clamped = createRig([busyFor(3_600_000), WATER])
    expect(await clamped.run()).toBe('Water is wet.')
    expect(atMs(clamped)).toEqual([0, 30_000])
  })

  it('not at all when the Retry-After is past the deadline', async () => {
    const rig = createRig([busyFor(25_000), WATER], { deadlineMs: 20_000 })
    expect(await rig.run()).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 25_000, attempts: 1 })
  })

  it('each attempt has its number and the reason of the one before', async () => {
    const rig = createRig([RESET, CRASH, WATER])
    await rig.run()
    expect(rig.attempts.map(({ attempt, reason }) => [attempt, reason])).toEqual([
      [1, undefined],
      [2, 'CANNOT_CONNECT'],
      [3, 'BACKEND_FAILED'],
    ])
  })
})

describe('what is never tried again', () => {
  it("the caller's mistake", async () => {
    const rig = createRig([MISTAKE], { backends: ['a', 'b'] })
    expect(await rig.run()).toMatchObject({ code: 'INVALID_REQUEST', attempts: 1 })
    expect(rig.attempts).toHaveLength(1)
  })

  it('a refusal of our own queue; it tells how many attempts there were before it', async () => {
    const refusal = new SurefootError({
      code: 'BREAKER_OPEN',
      message: 'Circuit breaker is OPEN - service unavailable',
    })
    const first = createRig([{ throws: refusal }])
    await expect(first.run()).rejects.toBe(refusal)
    const second = createRig([RESET, { throws: refusal }])
    await expect(second.run()).rejects.toMatchObject({ code: 'BREAKER_OPEN', attempts: 1 })
    expect(second.attempts).toHaveLength(2)
  })

  it('a fault of ours', async () => {
    const rig = createRig([{ throws: new TypeError('a bug') }])
    await expect(rig.run()).rejects.toThrow('a bug')
    expect(rig.attempts).toHaveLength(1)
  })
})

describe('with several backends', () => {
  it('goes to another one at once, and passes over those that were tried', async () => {
    const rig = createRig([CRASH, CRASH, WATER], { backends: ['a', 'b', 'c'] })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('abc')
    expect(atMs(rig)).toEqual([0, 0, 1_000])
  })

  it('when all were tried, any but the last one is as good as new', async () => {
    const rig = createRig([RESET], { backends: ['a', 'b', 'c'], deadlineMs: 12_000 })
    await rig.run()
    expect(where(rig)).toBe('abcaba')
  })

  it('a Retry-After of one backend does not keep another waiting', async () => {
    const rig = createRig([busyFor(20_000), WATER], { backends: ['a', 'b'] })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('ab')
    expect(atMs(rig)).toEqual([0, 0])
  })

  it('when every backend has asked for time, the first one ready is asked when it is', async () => {
    const rig = createRig([busyFor(20_000), busyFor(5_000), WATER], { backends: ['a', 'b'] })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('abb')
    expect(atMs(rig)).toEqual([0, 0, 5_000])
  })

  it('a backend that has asked for time is left alone also while the other one fails', async () => {
    const rig = createRig([busyFor(20_000), RESET, RESET, RESET, WATER], { backends: ['a', 'b'] })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('abbbb')
  })

  it('one that was silent is not asked again, also when all others were silent since', async () => {
    const silent = createRig([SILENT], { backends: ['a', 'b'], config: { maxRetries: 5 } })
    expect(await silent.run()).toMatchObject({ code: 'RESPONSE_TIMEOUT', attempts: 2 })
    expect(silent.attempts.map(({ backend }) => backend)).toEqual(['a', 'b'])
    const crashing = createRig([SILENT, CRASH, CRASH, WATER], { backends: ['a', 'b'], config: { maxRetries: 5 } })
    expect(await crashing.run()).toBe('Water is wet.')
    expect(crashing.attempts.map(({ backend }) => backend)).toEqual(['a', 'b', 'b', 'b'])
  })

  it('silence is retried elsewhere', async () => {
    const rig = createRig([SILENT, WATER], { backends: ['a', 'b'] })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('ab')
  })

  it('asks every backend for a model before it says that none has it', async () => {
    const rig = createRig([MISSING], { backends: ['a', 'b', 'c'], config: { maxRetries: 0 } })
    expect(await rig.run()).toMatchObject({ code: 'MODEL_NOT_FOUND', attempts: 3 })
    expect(where(rig)).toBe('abc')
    expect(atMs(rig)).toEqual([0, 0, 0])
  })
})

describe('the answer as a whole', () => {
  it('one that breaks in the middle is asked for again, and nobody sees the first half', async () => {
    const rig = createRig([{ texts: ['Wat'], then: CUT }, WATER], { buffered: true })
    expect(await rig.run()).toBe('Water is wet.')
    expect(rig.attempts).toHaveLength(2)
  })

  it('one that is streamed is not restarted: its reader has seen the beginning', async () => {
    const rig = createRig([{ texts: ['Wat'], then: CUT }, WATER])
    expect(await rig.run()).toMatchObject({ code: 'STREAM_INTERRUPTED' })
    expect(rig.attempts).toHaveLength(1)
  })

  it('one that always breaks fails after the costly retries', async () => {
    const rig = createRig([{ texts: ['Wat'], then: CUT }], { buffered: true })
    expect(await rig.run()).toMatchObject({ code: 'STREAM_INTERRUPTED', attempts: 4 })
  })
})

describe('an abort while it waits', () => {
  it("rejects at once with the caller's own reason, and leaves no timer", async () => {
    const rig = createRig([CRASH], { config: { preset: 'guide' } })
    const ended = rig.service(CALL, rig.context)
    ended.catch(() => {})
    await rig.time.advance(500)
    expect(rig.time.pendingTimers).toBe(1)
    const reason = { why: 'the reader has left' }
    rig.controller.abort(reason)
    expect(rig.time.pendingTimers).toBe(0)
    await expect(ended).rejects.toBe(reason)
    expect(rig.attempts).toHaveLength(1)
  })
})

describe('a sleep because a backend was away', () => {
  /** What the calls that sleep are looked after for, and how they are woken. */
  function createReturns() {
    const sleeping = new Set<{ readonly absent: Record<string, string>; readonly wake: (backend?: string) => void }>()
    const awaitReturn: AwaitReturn = (absent, _hasUntried, wake) => {
      const one = { absent: Object.fromEntries(absent), wake }
      sleeping.add(one)
      return () => sleeping.delete(one)
    }
    return {
      awaitReturn,
      sleeping: () => [...sleeping].map(({ absent }) => absent),
      back: (backend?: string): void => {
        for (const { wake } of sleeping) wake(backend)
      },
    }
  }

  it('ends as soon as it is back', async () => {
    const returns = createReturns()
    const rig = createRig([REFUSED, REFUSED, WATER], { awaitReturn: returns.awaitReturn })
    const answered = rig.service(CALL, rig.context)
    await rig.time.advance(300)
    expect(returns.sleeping()).toEqual([{ a: 'seen' }])
    returns.back('a')
    await rig.time.advance(0)
    expect(atMs(rig)).toEqual([0, 10, 300])
    expect(rig.time.pendingTimers).toBe(0)
    expect(returns.sleeping()).toEqual([])
    await (await answered).body.next()
  })

  it('lasts its full time otherwise', async () => {
    const returns = createReturns()
    const rig = createRig([REFUSED, REFUSED, WATER], { awaitReturn: returns.awaitReturn })
    expect(await rig.run()).toBe('Water is wet.')
    expect(atMs(rig)).toEqual([0, 10, 1_010])
    expect(returns.sleeping()).toEqual([])
  })

  it('does not end for one that has not been away', async () => {
    for (const failure of [CRASH, busyFor(), SILENT, MISTAKE]) {
      const returns = createReturns()
      const rig = createRig([failure], { awaitReturn: returns.awaitReturn, deadlineMs: 10_000 })
      const run = rig.run()
      expect(returns.sleeping()).toEqual([])
      await run
    }
  })

  it('that is ended in vain again and again is not ended faster than every 250 ms', async () => {
    const returns = createReturns()
    const rig = createRig([REFUSED], { awaitReturn: returns.awaitReturn })
    rig.service(CALL, rig.context).catch(() => {})
    for (let passed = 0; passed < 3_000; passed++) {
      returns.back('a')
      await rig.time.advance(1)
    }
    const gaps = atMs(rig).map((when, index, all) => when - (all[index - 1] ?? 0))
    expect(gaps.slice(0, 8)).toEqual([0, 10, 10, 20, 40, 80, 160, 250])
    expect(Math.min(...gaps.slice(7))).toBe(250)
  })

  it('leads to the one that is back, past those that are away and those that want rest', async () => {
    const returns = createReturns()
    const scripts = [busyFor(20_000), REFUSED, REFUSED, WATER]
    const rig = createRig(scripts, { backends: ['a', 'b', 'c'], awaitReturn: returns.awaitReturn })
    rig.service(CALL, rig.context).catch(() => {})
    await rig.time.advance(1_200)
    expect(where(rig)).toBe('abc')
    expect(returns.sleeping()).toEqual([{ b: 'seen', c: 'seen' }])
    returns.back('c')
    await rig.time.advance(0)
    expect(where(rig)).toBe('abcc')
  })

  it('ends also when another backend may be asked', async () => {
    const returns = createReturns()
    const rig = createRig([REFUSED, REFUSED, WATER], { backends: ['a'], awaitReturn: returns.awaitReturn })
    rig.service(CALL, rig.context).catch(() => {})
    await rig.time.advance(500)
    returns.back()
    await rig.time.advance(0)
    expect(atMs(rig)).toEqual([0, 10, 500])
  })

  it('ends with an abort, and leaves nothing', async () => {
    const returns = createReturns()
    const rig = createRig([REFUSED], { awaitReturn: returns.awaitReturn })
    const ended = rig.service(CALL, rig.context)
    ended.catch(() => {})
    await rig.time.advance(500)
    rig.controller.abort('left')
    await expect(ended).rejects.toBe('left')
    expect(rig.time.pendingTimers).toBe(0)
    expect(returns.sleeping()).toEqual([])
  })
})

describe('the budget', () => {
  it('of a tenant is its own', async () => {
    const budget = new RetryBudget(10)
    const rig = createRig([CRASH], { budget, config: { maxRetries: 1 } })
    const attempts = async (tenant: string): Promise<number> => {
      const before = rig.attempts.length
      await rig.service({ ...CALL, tenant }, rig.context).catch(() => {})
      for (let answers = 0; answers < 10; answers++) budget.refill()
      return rig.attempts.length - before
    }
    expect([await attempts('a'), await attempts('a'), await attempts('a'), await attempts('b')]).toEqual([2, 2, 1, 2])
  })

  it('is charged by costly failures alone, and refilled by answers', async () => {
    const rig = createRig([RESET], { config: { retryBudget: 5 }, deadlineMs: 4_000 })
    await rig.run()
    expect(rig.attempts.length).toBeGreaterThan(3)
    const costly = createRig([CRASH], { config: { retryBudget: 5 } })
    expect(await costly.run()).toMatchObject({ code: 'BACKEND_FAILED', attempts: 2 })
  })

  it('is refilled once by a call, however often it is asked again', async () => {
    let refills = 0
    const budget = new (class extends RetryBudget {
      override refill(): void {
        refills++
      }
    })(10)
    const rig = createRig([WATER], { budget })
    for (const calls of [1, 2]) {
      const cleanups: ((end: CallEnd) => void)[] = []
      const defer: CallContext['defer'] = (cleanup) => void cleanups.push(cleanup)
      for (const attempt of [1, 2, 3]) await rig.service(CALL, { ...rig.context, attempt, defer })
      for (const cleanup of cleanups) cleanup({ kind: 'answered', answer: {} as ChatAnswer })
      expect(refills).toBe(calls)
    }
  })

  it('is shared by all calls', async () => {
    const rig = createRig([CRASH, CRASH, WATER, CRASH, CRASH], { config: { retryBudget: 5 } })
    expect(await rig.run()).toMatchObject({ attempts: 2 })
    expect(await rig.run()).toBe('Water is wet.')
    expect(await rig.run()).toMatchObject({ attempts: 1 })
  })
})

it('asks neither of two again that failed side by side', async () => {
  const beside = failure(REFUSED, 'b')
  const both = new AttemptFailure(failure(SILENT, 'a').verdict, 'a', { attempt: 1, beside })
  const rig = createRig([{ throws: both }, WATER], { backends: ['a', 'b', 'c'] })
  expect(await rig.run()).toBe('Water is wet.')
  expect(where(rig)).toBe('ac')
  // The one beside it is told by who began the two.
  expect(rig.events.filter(({ type }) => type === 'attempt-fail')).toMatchObject([
    { attempt: 1, backend: 'a', code: 'RESPONSE_TIMEOUT' },
  ])
})

describe('what it tells', () => {
  it('every failed attempt, with the wait before the next one, if there is one', async () => {
    const rig = createRig([CRASH], { config: { preset: 'guide', maxRetries: 1 } })
    await rig.run()
    const told = { type: 'attempt-fail', id: 'run-1', backend: 'a', code: 'BACKEND_FAILED' }
    expect(rig.events).toEqual([
      { ...told, attempt: 1, problem: 'Ollama at a failed: unexpected EOF', waitMs: 1_000 },
      { ...told, attempt: 2, problem: 'Ollama at a failed: unexpected EOF' },
    ])
  })
})

describe('a call that has another way to be answered', () => {
  const within = (untilMs: number): CallPatience => ({ untilMs })

  it('does not sleep for a backend that is away, not even for a moment', async () => {
    const rig = createRig([REFUSED], { patience: within(10_000) })
    expect(await rig.run()).toMatchObject({ code: 'CANNOT_CONNECT', attempts: 1 })
    expect(rig.time.clock.monotonicMs()).toBe(0)
    expect(rig.events.at(-1)).not.toHaveProperty('waitMs')
  })

  it('goes to those that are there before it gives up', async () => {
    const rig = createRig([REFUSED, REFUSED, WATER], { backends: ['a', 'b', 'c'], patience: within(10_000) })
    expect(await rig.run()).toBe('Water is wet.')
    expect(where(rig)).toBe('abc')
  })

  it('does not count on one that would first have to load its model', async () => {
    const options = { backends: ['a', 'b'], patience: within(10_000), hasReady: () => false }
    expect(await createRig([REFUSED], options).run()).toMatchObject({ code: 'CANNOT_CONNECT', attempts: 2 })
  })

  it('sleeps while a backend is there, and only within its patience', async () => {
    const rig = createRig([CRASH], { patience: within(2_500) })
    expect(await rig.run()).toMatchObject({ code: 'BACKEND_FAILED', attempts: 3 })
    expect(atMs(rig)).toEqual([0, 0, 1_000])
  })

  it('sleeps for the absent on the last model, as long as that waits for ready', async () => {
    const rig = createRig([REFUSED], {
      patience: { untilMs: Number.POSITIVE_INFINITY, ready: { untilMs: 5_000, insteadOf: [] } },
    })
    expect(await rig.run()).toMatchObject({ code: 'CANNOT_CONNECT' })
    expect(atMs(rig)).toEqual([0, 10, 1_010, 3_010])
  })

  it('has no other way any more when it has half an answer', async () => {
    const continueFrom = { text: 'Water', tokens: 1, digest: undefined, brokenOn: 'a', silentAtMs: new Map() }
    const rig = createRig([REFUSED, REFUSED, WATER], { patience: within(0), continueFrom })
    expect(await rig.run()).toBe('Water is wet.')
    expect(atMs(rig)).toEqual([0, 10, 1_010])
  })
})
