import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { classify } from '../../outcome/classify.ts'
import { LostRace } from '../../outcome/lost-race.ts'
import { wait } from '../../runtime/wait.ts'
import type { Call, CallContext, Delta, Final, Reply, Service } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { NotFree } from '../../outcome/not-free.ts'
import { createHedge } from './hedge.ts'

const CALL: Call = {
  kind: 'chat',
  model: 'm',
  request: { messages: [{ role: 'user', content: 'What is water?' }] },
  body: Buffer.from('{}'),
  buffered: false,
  promptLength: 14,
}

/** What one backend does with an attempt. */
interface Does {
  /** Until its first token, or its failure. */
  readonly afterMs: number
  readonly fails?: boolean | 'cheaply'
  /** It says that it loads the model. */
  readonly loads?: boolean
}

/** The layer over backends `a`, `b`, … that do as told; the first attempt goes to `a`. */
function createRig(does: Readonly<Record<string, Does>>, config: { readonly hedge?: boolean } = {}) {
  const time = createVirtualTime()
  const events: string[] = []
  const failures: TelemetryEvent[] = []
  const telemetry = createTelemetry()
  telemetry.on((event) => failures.push(event))
  const lost: unknown[] = []
  const returned: string[] = []
  const rig = {
    time,
    events,
    failures,
    /** Why attempts were ended from outside. */
    lost,
    /** Replies that were given back unread. */
    returned,
    idle: new Set(Object.keys(does)),
    busyShare: 0.5,
    loading: false,
    attempts: [] as { readonly atMs: number; readonly backend: string; readonly attempt: number }[],
    /** One call, and what becomes of it. */
    call(extra: Partial<CallContext> = {}) {
      const controller = new AbortController()
      const context: CallContext = {
        id: 'run-1',
        signal: controller.signal,
        abort: (reason) => controller.abort(reason),
        deadlineAtMs: 900_000,
        attempt: 1,
        exclude: new Set(),
        emit: (event) => events.push(event.type === 'attempt' ? `${event.attempt} ${event.backend}` : event.type),
        defer: () => {},
        ...extra,
      }
      const outcome = service(CALL, context).then(
        ({ backend }) => backend,
        (reason: unknown) => reason,
      )
      return { controller, outcome }
    },
  }
  const next: Service = async (_call, context) => {
    const names = Object.keys(does).filter((name) => !context.exclude.has(name))
    const backend = names.find((name) => context.onlyIfIdle !== true || rig.idle.has(name))
    if (backend === undefined) throw new NotFree()
    const { afterMs, fails = false, loads = false } = does[backend]!
    rig.attempts.push({ atMs: time.clock.monotonicMs(), backend, attempt: context.attempt })
    context.emit({ type: 'attempt', attempt: context.attempt, backend })
    if (loads) context.emit({ type: 'loading', model: 'm', backend })
    try {
      await wait(time.timers, afterMs, context.signal)
    } catch (reason) {
      lost.push(reason)
      throw reason
    }
    if (fails) {
      const cause = { code: 'ECONNRESET' }
      const gotBytes = fails !== 'cheaply'
      const verdict = classify({ kind: 'network', cause, gotBytes, gotToken: false }, { backend, model: 'm' })
      throw new AttemptFailure(verdict, backend)
    }
    const body = { return: async () => void returned.push(backend) } as unknown as AsyncGenerator<Delta, Final, void>
    const reply: Reply = { backend, body }
    return reply
  }
  const service = createHedge(
    { hedge: config.hedge ?? true, hedgeDelayMs: 20_000 },
    { runtime: time, telemetry, busyShare: () => rig.busyShare, mayBeLoading: () => rig.loading },
  )(next)
  return rig
}

const FOR_EVER = 10_000_000
const began = ({ attempts }: ReturnType<typeof createRig>): string =>
  attempts.map(({ atMs, backend }) => `${backend} ${atMs}`).join(', ')

describe('a second attempt', () => {
  it('comes after 20 s without a first token, and the first of the two to have one answers', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1_000 } })
    const { outcome } = rig.call()
    await rig.time.advance(19_999)
    expect(began(rig)).toBe('a 0')
    await rig.time.advance(1_001)
    expect(await outcome).toBe('b')
    expect(began(rig)).toBe('a 0, b 20000')
    expect(rig.events).toEqual(['1 a', '2 b'])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('cancels the slower one, whose slot stays taken for a while', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1_000 } })
    rig.call()
    await rig.time.advance(21_000)
    expect(rig.lost).toEqual([expect.any(LostRace)])
    expect((rig.lost[0] as LostRace).staysTakenMs).toBe(20_000)
  })

  it('is cancelled when the first one answers after all', async () => {
    const rig = createRig({ a: { afterMs: 25_000 }, b: { afterMs: FOR_EVER } })
    const { outcome } = rig.call()
    await rig.time.advance(25_000)
    expect(await outcome).toBe('a')
    expect(rig.lost).toEqual([expect.any(LostRace)])
  })

  it('at the same moment as the first one: one answers, the other is given back', async () => {
    const rig = createRig({ a: { afterMs: 21_000 }, b: { afterMs: 1_000 } })
    const { outcome } = rig.call()
    await rig.time.advance(30_000)
    expect(await outcome).toBe('a')
    expect(rig.returned.length + rig.lost.length).toBe(1)
  })

  it('answers also when the first one fails meanwhile; that failure is told', async () => {
    const rig = createRig({ a: { afterMs: 21_000, fails: true }, b: { afterMs: 5_000 } })
    const { outcome } = rig.call()
    await rig.time.advance(25_000)
    expect(await outcome).toBe('b')
    expect(rig.failures).toMatchObject([{ type: 'attempt-fail', attempt: 1, backend: 'a', code: 'CANNOT_CONNECT' }])
  })

  it('that fails leaves the first one running', async () => {
    const rig = createRig({ a: { afterMs: 30_000 }, b: { afterMs: 1_000, fails: true }, c: { afterMs: 1_000 } })
    const { outcome } = rig.call()
    await rig.time.advance(30_000)
    expect(await outcome).toBe('a')
    expect(began(rig)).toBe('a 0, b 20000')
    expect(rig.failures).toMatchObject([{ type: 'attempt-fail', attempt: 2, backend: 'b' }])
  })

  it('that fails like the first one makes one failure', async () => {
    const rig = createRig({ a: { afterMs: 25_000, fails: true }, b: { afterMs: 1_000, fails: true } })
    const spent = { costly: 0, most: 8 }
    const { outcome } = rig.call({ spent })
    await rig.time.advance(25_000)
    expect(await outcome).toBeInstanceOf(AttemptFailure)
    // The other one is counted where the failure that comes out is counted.
    expect(spent.costly).toBe(1)
    expect(rig.time.pendingTimers).toBe(0)
  })

  for (const dear of ['a', 'b'] as const) {
    it(`fails as what cost more does, and says who else failed: ${dear}`, async () => {
      const how = (name: string) => (name === dear ? true : 'cheaply')
      const rig = createRig({ a: { afterMs: 60_000, fails: how('a') }, b: { afterMs: 1_000, fails: how('b') } })
      const spent = { costly: 0, most: 8 }
      const { outcome } = rig.call({ spent })
      await rig.time.advance(60_000)
      const other = dear === 'a' ? 'b' : 'a'
      const attemptOf = (name: string) => (name === 'a' ? 1 : 2)
      expect(await outcome).toMatchObject({ backend: dear, attempt: attemptOf(dear), beside: { backend: other } })
      // Each of them is told once: this one here, the one that comes out above.
      expect(rig.failures).toMatchObject([{ type: 'attempt-fail', attempt: attemptOf(other), backend: other }])
      expect(spent.costly).toBe(0)
    })
  }
})

describe('no second attempt', () => {
  it('when it is off, which is the default of the settings', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1 } }, { hedge: false })
    rig.call()
    await rig.time.advance(1_000_000)
    expect(began(rig)).toBe('a 0')
    expect(rig.time.pendingTimers).toBe(1)
  })

  it('once the first token is here', async () => {
    const rig = createRig({ a: { afterMs: 19_999 }, b: { afterMs: 1 } })
    const { outcome } = rig.call()
    await rig.time.advance(100_000)
    expect(await outcome).toBe('a')
    expect(began(rig)).toBe('a 0')
  })

  it('once the only attempt has failed', async () => {
    const rig = createRig({ a: { afterMs: 10, fails: true }, b: { afterMs: 1 } })
    const { outcome } = rig.call()
    await rig.time.advance(100_000)
    expect(await outcome).toBeInstanceOf(AttemptFailure)
    expect(rig.failures).toEqual([])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('earlier than twice what 95 of 100 first tokens take', async () => {
    const does = { a: { afterMs: 15_000 }, b: { afterMs: 1_000 } }
    const rig = createRig(does)
    for (let calls = 0; calls < 20; calls++) {
      rig.call()
      await rig.time.advance(15_000)
    }
    does.a = { afterMs: FOR_EVER }
    rig.attempts.length = 0
    rig.call()
    await rig.time.advance(40_000)
    expect(began(rig)).toBe('a 300000, b 330000')
  })

  it('unless another backend is idle; it is looked for again', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1_000 } })
    rig.idle.clear()
    const { outcome } = rig.call()
    await rig.time.advance(25_500)
    expect(began(rig)).toBe('a 0')
    rig.idle.add('b')
    await rig.time.advance(1_500)
    expect(await outcome).toBe('b')
    expect(began(rig)).toBe('a 0, b 26000')
  })

  it('on the backend of the first one, nor on one that has failed this call', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1 } })
    const { controller } = rig.call({ exclude: new Set(['b']) })
    await rig.time.advance(100_000)
    expect(began(rig)).toBe('a 0')
    controller.abort('left')
    await rig.time.advance(0)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('while more than half of the slots are taken', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1 } })
    rig.busyShare = 0.51
    rig.call()
    await rig.time.advance(60_000)
    expect(began(rig)).toBe('a 0')
    rig.busyShare = 0.5
    await rig.time.advance(1_000)
    expect(rig.attempts).toHaveLength(2)
  })

  it('during a load: the first one says so, or it is known otherwise', async () => {
    const told = createRig({ a: { afterMs: FOR_EVER, loads: true }, b: { afterMs: 1 } })
    told.call()
    await told.time.advance(600_000)
    expect(began(told)).toBe('a 0')
    const known = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1 } })
    known.loading = true
    known.call()
    await known.time.advance(600_000)
    expect(began(known)).toBe('a 0')
  })

  it("after the caller's abort, which ends both with the caller's own reason", async () => {
    for (const atMs of [10_000, 20_500]) {
      const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: FOR_EVER } })
      const { controller, outcome } = rig.call()
      await rig.time.advance(atMs)
      const reason = { why: 'left' }
      controller.abort(reason)
      await rig.time.advance(100_000)
      expect(await outcome).toBe(reason)
      expect(rig.attempts).toHaveLength(atMs < 20_000 ? 1 : 2)
      expect(rig.lost).toEqual(rig.attempts.map(() => reason))
      expect(rig.time.pendingTimers).toBe(0)
    }
  })

  it('for more than one call in twenty', async () => {
    const rig = createRig({ a: { afterMs: 60_000 }, b: { afterMs: 1_000 } })
    for (let calls = 0; calls < 1_000; calls++) {
      rig.call()
      await rig.time.advance(60_000)
    }
    const second = rig.attempts.filter(({ backend }) => backend === 'b').length
    expect(second).toBeLessThanOrEqual(51)
  })

  it('for the many attempts of one call, which earn no more than one', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: FOR_EVER } })
    for (let attempt = 1; attempt <= 100; attempt++) {
      const { controller, outcome } = rig.call({ attempt })
      await rig.time.advance(30_000)
      controller.abort('given up')
      await outcome
    }
    expect(rig.attempts.filter(({ backend }) => backend === 'b')).toHaveLength(1)
  })

  it('for the rest of an answer that broke', async () => {
    const rig = createRig({ a: { afterMs: FOR_EVER }, b: { afterMs: 1 } })
    const silentAtMs = new Map<string, number>()
    rig.call({ continueFrom: { text: 'half', tokens: 1, digest: undefined, brokenOn: 'c', silentAtMs } })
    await rig.time.advance(100_000)
    expect(began(rig)).toBe('a 0')
  })
})
