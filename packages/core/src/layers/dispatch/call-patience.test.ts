import type { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { Backend } from '../../backends/backend.ts'
import { Fleet } from '../../backends/fleet.ts'
import type { Lease } from '../../backends/lease.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { readConfig } from '../../config/read-config.ts'
import { NO_OPTIONS } from '../../load-options.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import { classify } from '../../outcome/classify.ts'
import type { CallPatience } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { Dispatcher } from './dispatcher.ts'

const MODEL = 'llama3.2'
const OTHER = 'better'
const FOREVER = Number.POSITIVE_INFINITY

interface Asker {
  lease?: Lease
  error?: SurefootError
  withdraw(): void
}

function createRig(given: SurefootConfig = {}) {
  const time = createVirtualTime()
  const config = readConfig({ backends: 'http://a:1', slots: 1, ...given })
  const backends = config.backends.map((url) => new Backend(url, config, time, createTelemetry()))
  const fleet = new Fleet(backends)
  let hurried = 0
  const dispatcher = new Dispatcher(fleet, config, time, () => hurried++)
  const ask = (patience?: CallPatience, model = MODEL): Asker => {
    const asker: Asker = { withdraw: () => {} }
    asker.withdraw = dispatcher.apply(model, {
      exclude: new Set(),
      patience,
      grant: (lease) => (asker.lease = lease),
      refuse: (error) => (asker.error = error as SurefootError),
      queued: () => {},
    })
    return asker
  }
  return {
    time,
    backends,
    dispatcher,
    ask,
    get hurried() {
      return hurried
    },
    /** So many whole answers that took so long each: what waits are estimated from. */
    async measure(holdMs: number): Promise<void> {
      for (let count = 0; count < 10; count++) {
        const { lease } = ask()
        await time.advance(holdMs)
        lease!.end({ kind: 'whole' })
      }
    },
    trip(backend: Backend): void {
      const cause = { code: 'ECONNREFUSED' }
      const verdict = classify(
        { kind: 'network', cause, gotBytes: false, gotToken: false },
        { backend: backend.name, model: 'x' },
      )
      for (let count = 0; count < 5; count++) backend.lease('x').end({ kind: 'failed', verdict })
      expect(backend.breaker.state).toBe('open')
    },
  }
}

const within = (rig: ReturnType<typeof createRig>, ms: number): CallPatience => ({
  untilMs: rig.time.clock.monotonicMs() + ms,
})

describe('a call that has another way to be answered', () => {
  it('is refused at once when no backend is usable, and has them looked after for the next calls', async () => {
    const rig = createRig()
    rig.trip(rig.backends[0]!)
    expect(rig.dispatcher.isWaitedFor).toBe(false)
    expect(rig.ask(within(rig, 10_000)).error).toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.dispatcher.waiting).toBe(0)
    expect(rig.time.pendingTimers).toBe(0)
    expect(rig.hurried).toBe(1)
    expect(rig.dispatcher.isWaitedFor).toBe(true)
    await rig.time.advance(30_000)
    expect(rig.dispatcher.isWaitedFor).toBe(false)
  })

  it('is refused as soon as the last backend is lost while it waits', () => {
    const rig = createRig()
    rig.ask()
    const asker = rig.ask(within(rig, 10_000))
    expect(asker.error).toBeUndefined()
    rig.trip(rig.backends[0]!)
    expect(asker.error).toMatchObject({ code: 'BREAKER_OPEN' })
  })

  it('is refused at once when its wait is expected to be too long, else at the end of its patience', async () => {
    const rig = createRig()
    await rig.measure(4_000)
    const held = rig.ask()
    const [first, second, third] = [10_000, 10_000, 10_000].map((ms) => rig.ask(within(rig, ms)))
    expect(first!.error ?? second!.error).toBeUndefined()
    expect(third!.error).toMatchObject({
      code: 'QUEUE_TIMEOUT',
      message: 'No slot for llama3.2 became free within 0 s; about 12 s more were to be expected.',
    })
    await rig.time.advance(9_999)
    expect(first!.error).toBeUndefined()
    await rig.time.advance(1)
    expect([first!.error?.code, second!.error?.code]).toEqual(['QUEUE_TIMEOUT', 'QUEUE_TIMEOUT'])
    expect(held.error).toBeUndefined()
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('that came later may have to leave earlier', async () => {
    const rig = createRig()
    rig.ask()
    const patient = rig.ask(within(rig, 10_000))
    const hasty = rig.ask(within(rig, 1_000))
    const ordinary = rig.ask()
    await rig.time.advance(1_000)
    expect([patient.error, hasty.error?.code, ordinary.error]).toEqual([undefined, 'QUEUE_TIMEOUT', undefined])
    await rig.time.advance(9_000)
    expect([patient.error?.code, ordinary.error]).toEqual(['QUEUE_TIMEOUT', undefined])
  })

  it('takes its slot when one is free in time, and leaves nothing behind when it goes', async () => {
    const rig = createRig()
    const held = rig.ask()
    const asker = rig.ask(within(rig, 10_000))
    rig.ask(within(rig, 10_000)).withdraw()
    await rig.time.advance(5_000)
    held.lease!.end({ kind: 'whole' })
    expect(asker.lease).toBeDefined()
    expect(rig.time.pendingTimers).toBe(0)
  })

  it.each([
    [30_000, 'QUEUE_TIMEOUT', 0],
    [8_000, undefined, 10_000],
    [undefined, undefined, 10_000],
  ] as const)('is refused when its model is expected to load for too long (%s ms)', async (loadMs, code, untilMs) => {
    const rig = createRig()
    const wanted: string[] = []
    const sinceMs = rig.time.clock.monotonicMs()
    rig.backends[0]!.loader = {
      current: undefined,
      want: (model) => wanted.push(model),
      loading: () => (wanted.length === 0 ? undefined : { sinceMs, expectedMs: loadMs, isOverdue: false }),
      expectedMs: () => loadMs,
      loadOptions: () => NO_OPTIONS,
      tooLarge: () => false,
    }
    rig.backends[0]!.models.observed(MODEL, 'absent', sinceMs)
    const asker = rig.ask(within(rig, 10_000))
    expect(asker.error?.code).toBe(code)
    // The load is begun all the same: for those that come later.
    expect(wanted).toEqual([MODEL])
    await rig.time.advance(untilMs)
    expect(asker.error?.code).toBe('QUEUE_TIMEOUT')
  })

  it('that finds out only later that its model has to be loaded has it loaded before it leaves', () => {
    const rig = createRig()
    const [backend] = rig.backends
    const wanted: string[] = []
    backend!.loader = {
      current: undefined,
      want: (model) => wanted.push(`${model} ${backend!.readiness(model)}`),
      loading: () => undefined,
      expectedMs: () => 30_000,
      loadOptions: () => NO_OPTIONS,
      tooLarge: () => false,
    }
    const asker = rig.ask(within(rig, 10_000))
    expect(asker.error).toBeUndefined()
    backend!.models.observed(MODEL, 'absent', rig.time.clock.monotonicMs())
    backend!.changed()
    expect(wanted).toEqual([`${MODEL} unknown`, `${MODEL} absent`])
    expect(asker.error?.code).toBe('QUEUE_TIMEOUT')
  })
})

describe('a call for the last model', () => {
  const ready = (untilMs: number, insteadOf: readonly string[] = []): CallPatience => ({
    untilMs: FOREVER,
    ready: { untilMs, insteadOf },
  })

  it('waits for a backend to come back, until its time is over', async () => {
    const rig = createRig({ earlyClose: false, waitForReadyMs: 30_000 })
    rig.trip(rig.backends[0]!)
    const asker = rig.ask(ready(20_000))
    // The last backend admits a probe after a second: this one is it.
    await rig.time.advance(500)
    expect(asker.error ?? asker.lease).toBeUndefined()
    rig.backends[0]!.draining = true
    await rig.time.advance(19_499)
    expect(asker.error).toBeUndefined()
    await rig.time.advance(1)
    expect(asker.error).toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('waits for a slot as long as anybody', async () => {
    const rig = createRig({ queueTimeoutMs: 60_000 })
    await rig.measure(4_000)
    rig.ask()
    const askers = Array.from({ length: 5 }, () => rig.ask(ready(rig.time.clock.monotonicMs() + 1_000)))
    await rig.time.advance(59_999)
    expect(askers.map(({ error }) => error)).toEqual(askers.map(() => undefined))
    await rig.time.advance(1)
    expect(askers[0]!.error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
  })

  it('goes back to a better one as soon as that can be asked, and takes no slot here', () => {
    const rig = createRig()
    const [backend] = rig.backends
    rig.trip(backend!)
    const askers = [rig.ask(ready(20_000, [OTHER])), rig.ask(ready(20_000, [OTHER])), rig.ask(ready(20_000))]
    backend!.returned()
    expect(askers[0]!.error).toBeInstanceOf(BetterModelBack)
    expect(askers[1]!.error).toBeInstanceOf(BetterModelBack)
    expect(askers[2]!.lease).toBeDefined()
    // While the one call probes, the better one has no backend either.
    expect(rig.ask(ready(20_000, [OTHER])).error).toBeUndefined()
    askers[2]!.lease!.firstToken()
    expect(rig.dispatcher.waiting).toBe(0)
  })

  it('also when time alone brings the better one back', async () => {
    const rig = createRig()
    const [backend] = rig.backends
    const failed = classify(
      { kind: 'status', status: 500, body: '{"error":"model requires more system memory"}', elapsedMs: 1 },
      { backend: backend!.name, model: OTHER },
    )
    for (const model of [OTHER, MODEL]) backend!.lease(model).end({ kind: 'failed', verdict: failed })
    backend!.models.avoid(MODEL, failed.error, 0, 60_000)
    const asker = rig.ask(ready(20_000, [OTHER]))
    expect(asker.error).toBeUndefined()
    await rig.time.advance(1_000)
    expect(asker.error).toBeInstanceOf(BetterModelBack)
  })
})
