import type { Priority, SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Backend } from '../../backends/backend.ts'
import { Fleet } from '../../backends/fleet.ts'
import type { Lease } from '../../backends/lease.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { readConfig } from '../../config/read-config.ts'
import { NO_OPTIONS } from '../../load-options.ts'
import { classify } from '../../outcome/classify.ts'
import type { Failure } from '../../outcome/failure.ts'
import type { Terms } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { Dispatcher } from './dispatcher.ts'
import { NotFree } from '../../outcome/not-free.ts'
import type { Applicant } from './waiting.ts'

const REFUSED: Failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }
const CRASH: Failure = { kind: 'status', status: 500, body: '{"error":"unexpected EOF"}', elapsedMs: 5_000 }
const MISSING: Failure = { kind: 'status', status: 404, body: '{"error":"model \'llama3.2\' not found"}', elapsedMs: 1 }

/** One that asked for a slot, and what it was told. */
interface Asker {
  lease: Lease | undefined
  error: SurefootError | undefined
  readonly places: string[]
  readonly loads: string[]
  readonly withdraw: () => void
}

function createRig(given: SurefootConfig = {}) {
  const time = createVirtualTime()
  const config = readConfig({ backends: 'http://a:1', ...given })
  const backends = config.backends.map((url) => new Backend(url, config, time, createTelemetry()))
  const fleet = new Fleet(backends)
  let hurried = 0
  const dispatcher = new Dispatcher(fleet, config, time, () => hurried++)
  const rig = {
    time,
    fleet,
    backends,
    dispatcher,
    get hurried() {
      return hurried
    },
    ask(model = 'llama3.2', exclude: readonly string[] = [], more: Partial<Applicant> = {}): Asker {
      const asker: { -readonly [K in keyof Asker]: Asker[K] } = {
        lease: undefined,
        error: undefined,
        places: [],
        loads: [],
        withdraw: () => {},
      }
      asker.withdraw = dispatcher.apply(model, {
        exclude: new Set(exclude),
        loading: (backend, expectedMs) => asker.loads.push(`${backend} ${expectedMs}`),
        grant: (lease) => (asker.lease = lease),
        refuse: (error) => (asker.error = error as SurefootError),
        queued: (position, waitingFor, expectedWaitMs) =>
          asker.places.push(`${position} ${waitingFor}${expectedWaitMs === undefined ? '' : ` ${expectedWaitMs}`}`),
        ...more,
      })
      return asker
    },
    fail(lease: Lease | undefined, failure: Failure): void {
      const verdict = classify(failure, { backend: lease!.backend.name, model: lease!.model })
      lease!.end({ kind: 'failed', verdict })
    },
    /** Opens the breaker of a backend. */
    trip(backend: Backend, failure: Failure = REFUSED): void {
      for (let count = 0; count < 5; count++) rig.fail(backend.lease('another-model'), failure)
      expect(backend.breaker.state).toBe('open')
    },
  }
  return rig
}

/** Serves whoever waits, one after the other, and tells in which order they went. */
async function orderOf(rig: ReturnType<typeof createRig>, askers: Readonly<Record<string, Asker>>, holdMs = 1_000) {
  const order: string[] = []
  for (let left = Object.keys(askers).length; left > 0; left--) {
    const next = Object.entries(askers).find(([name, { lease }]) => lease !== undefined && !order.includes(name))
    if (next === undefined) break
    order.push(next[0])
    await rig.time.advance(holdMs)
    next[1].lease!.end({ kind: 'whole' })
  }
  return order.join(' ')
}

/** So many whole answers that took so long each: what waits are estimated from. */
async function measure(rig: ReturnType<typeof createRig>, holdMs: number, count = 10): Promise<void> {
  for (let answer = 0; answer < count; answer++) {
    const { lease } = rig.ask()
    await rig.time.advance(holdMs)
    lease!.end({ kind: 'whole' })
  }
}

const nameOf = (asker: Asker): string | undefined => asker.lease?.backend.name

describe('the queue', () => {
  it('serves first come first served, and never more than there are slots', () => {
    const rig = createRig({ slots: 2 })
    const askers = Array.from({ length: 6 }, () => rig.ask())
    const served = (): string => askers.map(({ lease }) => (lease === undefined ? '-' : '+')).join('')
    expect(served()).toBe('++----')
    askers[1]!.lease!.end({ kind: 'whole' })
    expect(served()).toBe('+++---')
    askers[0]!.lease!.end({ kind: 'left' })
    askers[2]!.lease!.end({ kind: 'whole' })
    expect(served()).toBe('+++++-')
    expect(rig.dispatcher.waiting).toBe(1)
  })

  it('looks again when something can have changed, not all the time, beside a backend that time alone does not bring back', async () => {
    const rig = createRig({ backends: 'http://a:1,http://b:2' })
    const [a, b] = rig.backends
    rig.trip(b!)
    b!.draining = true
    expect(nameOf(rig.ask())).toBe(a!.name)
    const waiting = rig.ask()
    await rig.time.runUntilIdle(100)
    expect(waiting.error?.code).toBe('QUEUE_TIMEOUT')
  })

  it('is one for each model: a slot of one model does not wait for another', () => {
    const rig = createRig()
    expect(rig.ask('llama3.2').lease).toBeDefined()
    expect(rig.ask('llama3.2').lease).toBeUndefined()
    expect(rig.ask('qwen3').lease).toBeDefined()
  })

  it('all models together never exceed the pool', () => {
    const rig = createRig({ slots: 4, poolMaxSize: 3 })
    const askers = ['x', 'y', 'z', 'x', 'y'].map((model) => rig.ask(model))
    expect(askers.filter(({ lease }) => lease !== undefined)).toHaveLength(3)
    askers[0]!.lease!.end({ kind: 'whole' })
    expect(askers.filter(({ lease }) => lease !== undefined)).toHaveLength(4)
    expect(rig.backends[0]!.slots.held).toBe(3)
  })

  it('a newcomer never overtakes one that waits', () => {
    const rig = createRig()
    const first = rig.ask()
    const second = rig.ask()
    const third = rig.ask()
    first.lease!.end({ kind: 'whole' })
    const newcomer = rig.ask()
    expect(second.lease).toBeDefined()
    second.lease!.end({ kind: 'whole' })
    expect(third.lease).toBeDefined()
    expect(newcomer.lease).toBeUndefined()
  })

  it('a lease that is ended twice gives its slot back once', () => {
    const rig = createRig()
    const { lease } = rig.ask()
    rig.ask()
    const third = rig.ask()
    lease!.end({ kind: 'whole' })
    lease!.end({ kind: 'left' })
    expect(third.lease).toBeUndefined()
    expect(rig.backends[0]!.slots.held).toBe(1)
  })

  it('tells each its place, whenever it changes, and what it has to expect once that was measured', async () => {
    const rig = createRig()
    const first = rig.ask()
    const second = rig.ask()
    const third = rig.ask()
    expect(second.places).toEqual(['1 slot'])
    expect(third.places).toEqual(['2 slot'])
    await rig.time.advance(4_000)
    first.lease!.end({ kind: 'whole' })
    expect(third.places).toEqual(['2 slot', '1 slot 4000'])
    expect(rig.ask().places).toEqual(['2 slot 8000'])
  })

  it('refuses with QUEUE_FULL who finds it full, and says how many wait', () => {
    const rig = createRig({ maxQueueLength: 2 })
    const askers = Array.from({ length: 4 }, () => rig.ask())
    expect(askers[3]!.error).toMatchObject({
      code: 'QUEUE_FULL',
      message: '2 calls for llama3.2 are waiting already.',
      httpStatus: 429,
    })
    expect(rig.ask('qwen3').lease).toBeDefined()
  })

  it('refuses with QUEUE_TIMEOUT who has waited too long, in turn', async () => {
    const rig = createRig({ queueTimeoutMs: 10_000 })
    rig.ask()
    const second = rig.ask()
    await rig.time.advance(3_000)
    const third = rig.ask()
    await rig.time.advance(6_999)
    expect(second.error).toBeUndefined()
    await rig.time.advance(1)
    expect(second.error).toMatchObject({
      code: 'QUEUE_TIMEOUT',
      message: 'No slot for llama3.2 became free within 10 s.',
    })
    expect(third.error).toBeUndefined()
    await rig.time.advance(3_000)
    expect(third.error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('who leaves it is gone at once, and the last one takes the timer along', async () => {
    const rig = createRig()
    const first = rig.ask()
    const second = rig.ask()
    const third = rig.ask()
    expect(rig.time.pendingTimers).toBe(1)
    second.withdraw()
    expect(third.places).toEqual(['2 slot', '1 slot'])
    third.withdraw()
    expect(rig.dispatcher.waiting).toBe(0)
    expect(rig.time.pendingTimers).toBe(0)
    first.lease!.end({ kind: 'whole' })
    expect(second.lease).toBeUndefined()
    expect(rig.ask().lease).toBeDefined()
  })

  it('has one timer for all who wait, and none when nobody does', async () => {
    const rig = createRig()
    const models = ['x', 'y', 'z']
    const first = models.map((model) => rig.ask(model))
    expect(rig.time.pendingTimers).toBe(0)
    const rest = Array.from({ length: 300 }, (_, index) => rig.ask(models[index % 3]))
    expect(rig.time.pendingTimers).toBe(1)
    for (const asker of [...first, ...rest]) asker.lease!.end({ kind: 'whole' })
    expect(rig.dispatcher.waiting).toBe(0)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('10,000 wait and are served in turn within reason', async () => {
    const rig = createRig({ slots: 4, maxQueueLength: 10_000 })
    const askers = Array.from({ length: 10_000 }, () => rig.ask())
    const startedAtMs = performance.now()
    for (const [index, asker] of askers.entries()) {
      expect(asker.lease, `number ${index}`).toBeDefined()
      asker.lease!.end({ kind: 'whole' })
    }
    expect(rig.dispatcher.waiting).toBe(0)
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
  })

  it('10,000 wait and leave from the middle within reason', () => {
    const rig = createRig({ maxQueueLength: 10_000 })
    const askers = Array.from({ length: 10_000 }, () => rig.ask())
    const startedAtMs = performance.now()
    for (const asker of askers.slice(1).toReversed()) asker.withdraw()
    expect(rig.dispatcher.waiting).toBe(0)
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
  })

  it('whatever comes and goes: never more leases than slots, nobody overtakes, all are served', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('ask' as const), model: fc.constantFrom('x', 'y') }),
      fc.record({ do: fc.constantFrom('end' as const, 'leave' as const), which: fc.nat(100) }),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step),
        (slots, pool, steps) => {
          const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots, poolMaxSize: pool })
          const askers: (Asker & { readonly model: string; done: boolean })[] = []
          const holding = (): typeof askers => askers.filter(({ lease, done }) => lease !== undefined && !done)
          const waiting = (): typeof askers => askers.filter(({ lease, done }) => lease === undefined && !done)
          const check = (): void => {
            for (const backend of rig.backends) {
              const here = holding().filter(({ lease }) => lease!.backend === backend)
              expect(here.length).toBeLessThanOrEqual(pool)
              expect(backend.slots.held).toBe(here.length)
              for (const model of ['x', 'y']) {
                expect(here.filter((asker) => asker.model === model).length).toBeLessThanOrEqual(slots)
              }
            }
            // A waiting one has nobody behind it who was served.
            for (const model of ['x', 'y']) {
              const row = askers.filter((asker) => asker.model === model && !(asker.done && asker.lease === undefined))
              const firstWaiting = row.findIndex(({ lease }) => lease === undefined)
              if (firstWaiting !== -1)
                expect(row.slice(firstWaiting).every(({ lease }) => lease === undefined)).toBe(true)
            }
          }
          for (const action of steps) {
            if (action.do === 'ask')
              askers.push(Object.assign(rig.ask(action.model), { model: action.model, done: false }))
            else {
              const among = action.do === 'end' ? holding() : waiting()
              const one = among[action.which % Math.max(1, among.length)]
              if (one === undefined) continue
              one.done = true
              if (action.do === 'end') one.lease!.end({ kind: 'whole' })
              else one.withdraw()
            }
            check()
          }
          while (holding().length > 0) {
            const one = holding()[0]!
            one.done = true
            one.lease!.end({ kind: 'whole' })
            check()
          }
          expect(rig.dispatcher.waiting).toBe(0)
          expect(rig.time.pendingTimers).toBe(0)
        },
      ),
      { numRuns: 300, seed: 1 },
    )
  })
})

describe('slots that are learnt', () => {
  it('are found out by calls that wait already, without a newcomer', async () => {
    const rig = createRig({ slots: 'auto' })
    const askers = Array.from({ length: 6 }, () => rig.ask())
    for (const asker of askers.slice(0, 4)) {
      await rig.time.advance(200)
      asker.lease!.firstToken()
    }
    expect(askers.map(({ lease }) => lease !== undefined)).toEqual([true, true, true, true, true, false])
    expect(rig.backends[0]!.slots.sizeOf('llama3.2')).toBe(4)
  })

  it('are looked for where a call has the least to expect', async () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots: 'auto' })
    for (const asker of [rig.ask(), rig.ask()]) {
      await rig.time.advance(200)
      asker.lease!.firstToken()
    }
    rig.backends[0]!.pace.failed(400)
    expect(nameOf(rig.ask())).toBe('http://b:1')
  })

  it('are not looked for on a backend that has stopped in the middle of its answers', async () => {
    const rig = createRig({ slots: 'auto' })
    rig.ask().lease!.firstToken()
    await rig.time.advance(10_000)
    expect(rig.ask().lease).toBeUndefined()
  })
})

describe('the choice of the backend', () => {
  const three = { backends: ['http://a:1', 'http://b:1', 'http://c:1'], slots: 2 }

  it('takes turns among equals', () => {
    const rig = createRig(three)
    const names = Array.from({ length: 6 }, () => nameOf(rig.ask()))
    expect(names.map(String).toSorted()).toEqual([
      'http://a:1',
      'http://a:1',
      'http://b:1',
      'http://b:1',
      'http://c:1',
      'http://c:1',
    ])
    expect(new Set(names.slice(0, 3)).size).toBe(3)
  })

  it('prefers the one that has the model in memory', async () => {
    const rig = createRig(three)
    const lease = rig.backends[1]!.lease('llama3.2')
    lease.firstToken()
    lease.end({ kind: 'whole' })
    await rig.time.advance(1_000)
    expect(nameOf(rig.ask())).toBe('http://b:1')
    expect(nameOf(rig.ask())).toBe('http://b:1')
    expect(nameOf(rig.ask())).not.toBe('http://b:1')
  })

  it('prefers those that have not failed this call', () => {
    const rig = createRig(three)
    expect(nameOf(rig.ask('llama3.2', ['http://a:1', 'http://b:1']))).toBe('http://c:1')
  })

  it('waits for one of those rather than go back to one that failed', () => {
    const rig = createRig(three)
    const busy = [rig.ask('llama3.2', ['http://a:1', 'http://b:1']), rig.ask('llama3.2', ['http://a:1', 'http://b:1'])]
    const picky = rig.ask('llama3.2', ['http://a:1', 'http://b:1'])
    expect(picky.lease).toBeUndefined()
    expect(nameOf(rig.ask('llama3.2', ['http://c:1']))).toMatch(/a|b/)
    busy[0]!.lease!.end({ kind: 'whole' })
    expect(nameOf(picky)).toBe('http://c:1')
  })

  it('takes one that was suspect as soon as that is over, though nothing happens then', async () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots: 1 })
    rig.backends[1]!.liveness.suspectedBySigns(0)
    rig.ask()
    const second = rig.ask()
    await rig.time.advance(29_999)
    expect(second.lease).toBeUndefined()
    await rig.time.advance(1)
    expect(nameOf(second)).toBe('http://b:1')
  })

  it('goes back to a failed one when there is no other', () => {
    const rig = createRig(three)
    expect(rig.ask('llama3.2', ['http://a:1', 'http://b:1', 'http://c:1']).lease).toBeDefined()
    const single = createRig()
    expect(single.ask('llama3.2', ['http://a:1']).lease).toBeDefined()
  })

  it('leaves an open backend out while another one can answer', () => {
    const rig = createRig(three)
    rig.trip(rig.backends[0]!)
    const names = Array.from({ length: 4 }, () => nameOf(rig.ask()))
    expect(names).not.toContain('http://a:1')
  })
})

describe('while nothing is up', () => {
  it('waitForReadyMs 0: refused at once, in the words of the guide, with the address and what to do', () => {
    const rig = createRig({ waitForReadyMs: 0 })
    rig.trip(rig.backends[0]!)
    const { error } = rig.ask()
    expect(error).toMatchObject({
      code: 'BREAKER_OPEN',
      message: 'Circuit breaker is OPEN - service unavailable',
      hint: 'Cannot connect to Ollama at http://a:1. Start it with `ollama serve`, or correct OLLAMA_BASE_URL.',
      retryAfterMs: 1_000,
    })
    expect(rig.time.pendingTimers).toBe(0)
    expect(rig.backends[0]!.slots.held).toBe(0)
  })

  it('of a backend that fails otherwise, the hint says so', () => {
    const rig = createRig({ waitForReadyMs: 0 })
    rig.trip(rig.backends[0]!, CRASH)
    expect(rig.ask().error!.hint).toContain('http://a:1 failed several times in a row (BACKEND_FAILED)')
  })

  it('the literal 60 s of the guide show in retryAfterMs', async () => {
    const rig = createRig({ preset: 'guide' })
    rig.trip(rig.backends[0]!)
    await rig.time.advance(20_000)
    expect(rig.ask().error).toMatchObject({ code: 'BREAKER_OPEN', retryAfterMs: 40_000 })
  })

  it('waits 30 s for a backend to come back, and is told so', async () => {
    const rig = createRig({ preset: 'production' })
    // Half-open, with a probe that takes its time: nobody else may go.
    rig.trip(rig.backends[0]!)
    await rig.time.advance(1_000)
    const probe = rig.ask()
    expect(probe.lease).toBeDefined()
    const waiting = rig.ask()
    expect(waiting.places).toEqual(['1 backend'])
    await rig.time.advance(29_999)
    expect(waiting.error).toBeUndefined()
    await rig.time.advance(1)
    expect(waiting.error).toMatchObject({ code: 'BREAKER_OPEN' })
  })

  it('asks for early probes as soon as somebody waits for a backend, not for a slot', () => {
    const rig = createRig()
    rig.ask()
    rig.ask()
    expect(rig.hurried).toBe(0)
    rig.trip(rig.backends[0]!)
    rig.ask()
    expect(rig.hurried).toBeGreaterThan(0)
  })

  it('lets exactly one probe when the time has come, and the rest when it has answered', async () => {
    const rig = createRig({ slots: 4 })
    rig.trip(rig.backends[0]!)
    const askers = Array.from({ length: 10 }, () => rig.ask())
    const served = (): number => askers.filter(({ lease }) => lease !== undefined).length
    await rig.time.advance(999)
    expect(served()).toBe(0)
    await rig.time.advance(1)
    expect(served()).toBe(1)
    await rig.time.advance(5_000)
    expect(served()).toBe(1)
    askers[0]!.lease!.firstToken()
    expect(served()).toBe(4)
    expect(askers[5]!.places.at(-1)).toBe('2 slot')
  })

  it('lets somebody go at once when the backend has returned', async () => {
    const rig = createRig()
    rig.trip(rig.backends[0]!)
    const asker = rig.ask()
    await rig.time.advance(300)
    rig.backends[0]!.returned()
    expect(asker.lease).toBeDefined()
  })

  it('the patience begins when nothing is up any more, not when the call began to wait', async () => {
    const rig = createRig()
    rig.ask()
    const waiting = rig.ask()
    await rig.time.advance(100_000)
    rig.trip(rig.backends[0]!)
    await rig.time.advance(1_000)
    expect(rig.ask('qwen3').lease, 'a probe that takes its time').toBeDefined()
    await rig.time.advance(28_999)
    expect(waiting.error).toBeUndefined()
    await rig.time.advance(1)
    expect(waiting.error).toMatchObject({ code: 'BREAKER_OPEN' })
  })

  it('waits no longer for those that are away than that, where another one has a different model by that name', async () => {
    const rig = createRig({ backends: 'http://a:1,http://b:1,http://c:1' })
    const [a, b, c] = rig.backends
    for (const [backend, digest] of [[a, 'old'] as const, [b, 'new'] as const, [c, 'new'] as const]) {
      backend!.digests = new Map([['llama3.2', digest]])
    }
    rig.trip(b!)
    rig.trip(c!)
    b!.liveness.foundWedged('no token', 0)
    c!.liveness.foundWedged('no token', 0)
    await rig.time.advance(20_000)
    const asker = rig.ask()
    await rig.time.advance(9_999)
    expect(asker.lease).toBeUndefined()
    await rig.time.advance(1)
    expect(nameOf(asker)).toBe(a!.name)
  })

  it('does not wait for a model that no backend has', () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'] })
    rig.fail(rig.ask().lease, MISSING)
    rig.fail(rig.ask().lease, MISSING)
    expect(rig.ask().error).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: 'Model llama3.2 not found. Run: ollama pull llama3.2',
    })
    expect(rig.ask('qwen3').lease).toBeDefined()
  })

  it('does ask again after a moment: the model may have been pulled', async () => {
    const rig = createRig()
    rig.fail(rig.ask().lease, MISSING)
    expect(rig.ask().error).toBeDefined()
    await rig.time.advance(1_000)
    expect(rig.ask().lease).toBeDefined()
  })
})

describe('a call that may not go to every backend', () => {
  const onA = { eligible: ({ name }: Backend) => name === 'http://a:1' }
  const two = { backends: ['http://a:1', 'http://b:1'] }

  it('waits for its own no longer than others do when nothing is up, and is told so', async () => {
    const rig = createRig(two)
    const [a] = rig.backends
    a!.draining = true
    const asker = rig.ask('llama3.2', [], onA)
    expect(asker.places).toEqual(['1 backend'])
    expect(rig.hurried).toBe(1)
    const other = rig.ask()
    expect(nameOf(other)).toBe('http://b:1')
    await rig.time.advance(29_999)
    expect(asker.error).toBeUndefined()
    await rig.time.advance(1)
    expect(asker.error).toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('its last backend is tried as early as the last one of all', async () => {
    const rig = createRig(two)
    rig.trip(rig.backends[0]!, CRASH)
    const asker = rig.ask('llama3.2', [], onA)
    await rig.time.advance(999)
    expect(asker.lease).toBeUndefined()
    await rig.time.advance(1)
    expect(nameOf(asker)).toBe('http://a:1')
  })

  it('attempts that fail do not lengthen that', async () => {
    const rig = createRig(two)
    rig.trip(rig.backends[0]!)
    let asker = rig.ask('llama3.2', [], { ...onA, callSinceMs: 0 })
    for (let second = 0; second < 40 && asker.error === undefined; second++) {
      await rig.time.advance(1_000)
      if (asker.lease === undefined) continue
      rig.fail(asker.lease, REFUSED)
      asker = rig.ask('llama3.2', [], { ...onA, callSinceMs: 0 })
    }
    expect(asker.error).toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.time.clock.monotonicMs()).toBe(30_000)
  })

  it('waits for a slot of its own, and lets others pass', async () => {
    const rig = createRig({ ...two, slots: 1 })
    const first = rig.ask('llama3.2', [], onA)
    const second = rig.ask('llama3.2', [], onA)
    expect(nameOf(rig.ask())).toBe('http://b:1')
    expect(second.places).toEqual(['1 slot'])
    first.lease!.end({ kind: 'whole' })
    expect(nameOf(second)).toBe('http://a:1')
  })

  it('that waits alone for a slot gives up after the time of the queue', async () => {
    const rig = createRig({ ...two, slots: 1 })
    rig.ask('llama3.2', [], onA)
    const second = rig.ask('llama3.2', [], onA)
    await rig.time.advance(300_000)
    expect(second.error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
  })
})

describe('who goes next', () => {
  const ask = (rig: ReturnType<typeof createRig>, more: Partial<Applicant>): Asker => rig.ask('llama3.2', [], more)

  it('the highest priority', async () => {
    const rig = createRig({ slots: 1 })
    const running = rig.ask()
    const askers = {
      low: ask(rig, { priority: 'low' }),
      none: ask(rig, {}),
      critical: ask(rig, { priority: 'critical' }),
      high: ask(rig, { priority: 'high' }),
      normal: ask(rig, { priority: 'normal' }),
    }
    running.lease!.end({ kind: 'whole' })
    expect(await orderOf(rig, askers)).toBe('critical high none normal low')
  })

  describe('when others join who wait for the same answer', () => {
    /** Terms that a test changes. */
    function createTerms(priority: Priority, deadlineAtMs = 900_000) {
      const listeners = new Set<() => void>()
      const terms = {
        priority,
        deadlineAtMs,
        listeners,
        onChange(listener: () => void) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
        becomes(more: Partial<Pick<Terms, 'priority' | 'deadlineAtMs'>>) {
          Object.assign(terms, more)
          for (const listener of listeners) listener()
        },
      }
      return terms
    }

    it('rises among the more important, at the age it has, and never falls', async () => {
      const rig = createRig({ slots: 1 })
      const running = rig.ask()
      const terms = createTerms('low')
      const shared = ask(rig, { priority: 'low', terms })
      const askers = { normal: ask(rig, {}), shared, high: ask(rig, { priority: 'high' }) }
      terms.becomes({ priority: 'high' })
      expect(shared.places.at(-1)).toMatch(/^1 /)
      terms.becomes({ priority: 'low' })
      running.lease!.end({ kind: 'whole' })
      expect(await orderOf(rig, askers)).toBe('shared high normal')
      expect(terms.listeners.size).toBe(0)
    })

    it('keeps the place that its earliest deadline gives it', async () => {
      const rig = createRig({ slots: 1 })
      const running = rig.ask()
      const terms = createTerms('normal', 100_000)
      const askers = {
        later: ask(rig, { deadlineAtMs: 200_000 }),
        shared: ask(rig, { deadlineAtMs: 100_000, terms }),
      }
      terms.becomes({ deadlineAtMs: 900_000 })
      running.lease!.end({ kind: 'whole' })
      expect(await orderOf(rig, askers)).toBe('shared later')
    })

    it('is not turned away for the deadline of one of them', async () => {
      const rig = createRig({ slots: 1 })
      await measure(rig, 50_000)
      const nowMs = rig.time.clock.monotonicMs()
      const running = rig.ask()
      const terms = createTerms('normal', nowMs + 120_000)
      const shared = ask(rig, { deadlineAtMs: nowMs + 120_000, terms })
      const other = ask(rig, {})
      await rig.time.advance(80_000)
      terms.becomes({ deadlineAtMs: nowMs + 900_000 })
      running.lease!.end({ kind: 'whole' })
      expect([shared, other].map(({ lease }) => lease !== undefined)).toEqual([true, false])
    })

    it('nothing listens any more when it is refused or taken back', () => {
      const rig = createRig({ slots: 1, maxQueueLength: 1 })
      rig.ask()
      const terms = createTerms('normal')
      const waiting = ask(rig, { terms })
      const refused = ask(rig, { terms })
      expect(refused.error?.code).toBe('QUEUE_FULL')
      expect(terms.listeners.size).toBe(1)
      waiting.withdraw()
      expect(terms.listeners.size).toBe(0)
    })
  })

  it('of one priority, the tenant that has had the least service', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 1_000)
    const running = ask(rig, { tenant: 'a' })
    const askers = Object.fromEntries(
      ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => [name, ask(rig, { tenant: name[0]! })]),
    )
    await rig.time.advance(1_000)
    running.lease!.end({ kind: 'whole' })
    expect(await orderOf(rig, askers)).toBe('b1 c1 a1 b2 a2 a3 a4')
  })

  it('a tenant whose answers take ten times as long is served ten times as rarely', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 1_000)
    const served = { slow: 0, quick: 0 }
    for (const tenant of ['slow', 'quick'] as const) {
      const renew = (): void => void rig.ask('llama3.2', [], { tenant, grant: (lease) => hold(lease) })
      const hold = (lease: Lease): void => {
        served[tenant]++
        renew()
        rig.time.timers.set(tenant === 'slow' ? 5_000 : 500, () => lease.end({ kind: 'whole' }))
      }
      renew()
    }
    await rig.time.advance(600_000)
    expect(served.quick / served.slow).toBeGreaterThan(7)
    expect(served.slow).toBeGreaterThan(30)
  })

  it('a tenant whose attempt hung for a minute has had no service for it: it stands back for no more than one answer', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 1_000)
    const running = ask(rig, { tenant: 'a' })
    await rig.time.advance(60_000)
    const askers = Object.fromEntries(
      ['a1', 'a2', 'b1', 'b2', 'b3', 'b4'].map((name) => [name, ask(rig, { tenant: name[0]! })]),
    )
    rig.fail(running.lease, { kind: 'silence', silentMs: 60_000, gotToken: false })
    expect(await orderOf(rig, askers)).toBe('b1 a1 b2 a2 b3 b4')
  })

  it('a tenant pays in full for a caller who leaves late, and for a request that no backend survives', async () => {
    for (const end of [
      (lease: Lease) => lease.end({ kind: 'left' }),
      (lease: Lease) => {
        const judged = classify(CRASH, { backend: lease.backend.name, model: lease.model })
        lease.end({ kind: 'failed', verdict: { ...judged, class: 'poison' } })
      },
    ]) {
      const rig = createRig({ slots: 1 })
      await measure(rig, 1_000)
      const running = ask(rig, { tenant: 'a' })
      await rig.time.advance(3_000)
      const askers = Object.fromEntries(
        ['a1', 'b1', 'b2', 'b3', 'b4', 'b5'].map((name) => [name, ask(rig, { tenant: name[0]! })]),
      )
      end(running.lease!)
      expect(await orderOf(rig, askers)).toBe('b1 b2 b3 a1 b4 b5')
    }
  })

  it('of one tenant, the earliest deadline; then the call that began first, also when this is a later attempt of it', async () => {
    const rig = createRig({ slots: 1 })
    const running = rig.ask()
    await rig.time.advance(100)
    const askers = {
      second: ask(rig, { callSinceMs: 50 }),
      late: ask(rig, { deadlineAtMs: 60_000 }),
      soon: ask(rig, { deadlineAtMs: 30_000 }),
      first: ask(rig, { callSinceMs: 10 }),
      last: ask(rig, {}),
    }
    running.lease!.end({ kind: 'whole' })
    expect(await orderOf(rig, askers)).toBe('soon late first second last')
  })

  it('every second time whoever has waited for 45 s, whatever comes in meanwhile', async () => {
    const rig = createRig({ slots: 1 })
    let waitedMs: number | undefined
    const renew = (): void =>
      void ask(rig, {
        priority: 'critical',
        grant: (lease) => rig.time.timers.set(1_000, () => lease.end({ kind: 'whole' })),
      })
    for (let count = 0; count < 3; count++) renew()
    ask(rig, {
      priority: 'low',
      grant: (lease) => {
        waitedMs = rig.time.clock.monotonicMs()
        lease.end({ kind: 'whole' })
      },
    })
    for (let second = 0; second < 100; second++) {
      await rig.time.advance(1_000)
      renew()
    }
    expect(waitedMs).toBeGreaterThanOrEqual(45_000)
    expect(waitedMs).toBeLessThanOrEqual(48_000)
  })

  it('the next of them when the time of the oldest is over', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 50_000)
    const running = rig.ask()
    const deadlineAtMs = rig.time.clock.monotonicMs() + 120_000
    const tight = ask(rig, { priority: 'low', deadlineAtMs })
    const low = ask(rig, { priority: 'low' })
    await rig.time.advance(80_000)
    const high = ask(rig, { priority: 'high' })
    running.lease!.end({ kind: 'whole' })
    expect(tight.error?.code).toBe('QUEUE_TIMEOUT')
    expect([low, high].map(({ lease }) => lease !== undefined)).toEqual([true, false])
  })

  it('also while an older one waits for a backend of its own', async () => {
    const rig = createRig({ backends: 'http://a:1,http://b:1', slots: 1 })
    const held = rig.backends[1]!.lease('llama3.2')
    const first = rig.ask()
    const particular = rig.ask('llama3.2', [], { eligible: ({ name }) => name === held.backend.name })
    const low = ask(rig, { priority: 'low' })
    const high = [1, 2].map(() => ask(rig, { priority: 'high' }))
    await rig.time.advance(46_000)
    first.lease!.end({ kind: 'whole' })
    expect([particular, low, ...high].map(({ lease }) => lease !== undefined)).toEqual([false, true, false, false])
    low.lease!.end({ kind: 'whole' })
    expect(high.map(({ lease }) => lease !== undefined)).toEqual([true, false])
    held.end({ kind: 'whole' })
    expect(particular.lease).toBeDefined()
  })

  it('models that compete for the sockets of a backend: the one whose first call came first', async () => {
    const rig = createRig({ slots: 4, poolMaxSize: 1 })
    const running = rig.ask('z')
    const askers = Object.fromEntries(['x1', 'y1', 'y2', 'x2'].map((name) => [name, rig.ask(name[0]!)]))
    running.lease!.end({ kind: 'whole' })
    expect(await orderOf(rig, askers)).toBe('x1 y1 y2 x2')
  })
})

describe('who is turned away at entry', () => {
  it('nobody as long as nothing was measured', () => {
    const rig = createRig({ slots: 1 })
    rig.ask()
    expect(rig.ask('llama3.2', [], { deadlineAtMs: 1 }).error).toBeUndefined()
  })

  it('whose deadline is nearer than its wait and an answer, with the measured wait', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 4_000)
    for (let count = 0; count < 4; count++) rig.ask()
    const nowMs = rig.time.clock.monotonicMs()
    expect(rig.ask('llama3.2', [], { deadlineAtMs: nowMs + 25_000 }).error).toBeUndefined()
    expect(rig.ask('llama3.2', [], { deadlineAtMs: nowMs + 3_000 }).error).toMatchObject({
      code: 'QUEUE_FULL',
      retryAfterMs: 4_000,
      message: 'The wait for llama3.2 is about 4 s: too long for the deadline of this call.',
    })
  })

  it('whose wait would be longer than any call may wait', async () => {
    const rig = createRig({ slots: 1, queueTimeoutMs: 10_000 })
    await measure(rig, 4_000)
    const askers = Array.from({ length: 5 }, () => rig.ask())
    expect(askers.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      undefined,
      'QUEUE_FULL',
      'QUEUE_FULL',
    ])
    expect(askers[4]!.error).toMatchObject({ retryAfterMs: 12_000 })
  })

  it('in less than 10 ms, behind 5,000 who wait', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 1)
    for (let count = 0; count < 5_000; count++) rig.ask('llama3.2', [], { tenant: `t${count % 100}` })
    const startedAtMs = performance.now()
    const refused = Array.from({ length: 100 }, () => rig.ask('llama3.2', [], { deadlineAtMs: 1 }))
    expect((performance.now() - startedAtMs) / 100).toBeLessThan(10)
    expect(refused.every(({ error }) => error?.code === 'QUEUE_FULL')).toBe(true)
  })

  it('10,000 callers while no backend is up do not block the process', () => {
    const rig = createRig({ slots: 1 })
    rig.trip(rig.backends[0]!)
    rig.ask()
    const startedAtMs = performance.now()
    for (let count = 0; count < 10_000; count++) rig.ask()
    // It took 25 s when every newcomer made everybody be looked at.
    expect(performance.now() - startedAtMs).toBeLessThan(2_500)
    expect(rig.dispatcher.waiting).toBe(10_000)
  })

  it('when its turn comes, whoever has too little time left while others wait', async () => {
    const rig = createRig({ slots: 1 })
    await measure(rig, 10_000)
    const running = rig.ask()
    const nowMs = rig.time.clock.monotonicMs()
    const tight = rig.ask('llama3.2', [], { deadlineAtMs: nowMs + 21_000 })
    const patient = rig.ask()
    await rig.time.advance(15_000)
    running.lease!.end({ kind: 'whole' })
    expect(tight.error).toMatchObject({
      code: 'QUEUE_TIMEOUT',
      message: 'No slot for llama3.2 became free in time for the deadline of this call; it waited 15 s.',
    })
    expect(patient.lease).toBeDefined()
  })

  it('more of them while more comes in than can be done, but not for a backlog that is worked off', async () => {
    const admittedAtLoad = async (betweenMs: number): Promise<boolean> => {
      const rig = createRig({ slots: 1 })
      await measure(rig, 4_000, 20)
      rig.ask()
      for (let ahead = 0; ahead < 2; ahead++) rig.ask()
      for (let passedMs = 0; passedMs < 60_000; passedMs += betweenMs) {
        await rig.time.advance(betweenMs)
        rig.ask().withdraw()
      }
      const nowMs = rig.time.clock.monotonicMs()
      rig.ask('llama3.2', [], { deadlineAtMs: nowMs + 9_000 })
      return rig.ask('llama3.2', [], { deadlineAtMs: nowMs + 13_000 }).error === undefined
    }
    expect(await admittedAtLoad(6_000)).toBe(true)
    expect(await admittedAtLoad(2_000)).toBe(false)
  })
})

describe('an attempt that begins only on an idle slot', () => {
  const two = { backends: ['http://a:1', 'http://b:1'], slots: 2 }

  it('goes to another backend that has the model and nothing to do', () => {
    const rig = createRig(two)
    for (const backend of rig.backends) backend.models.loaded('llama3.2', 0)
    const asker = rig.ask('llama3.2', ['http://a:1'], { onlyIfIdle: true })
    expect(nameOf(asker)).toBe('http://b:1')
    expect(rig.ask('llama3.2', ['http://a:1'], { onlyIfIdle: true }).error).toBeInstanceOf(NotFree)
  })

  it('never goes back, loads no model, and does not wait', () => {
    const rig = createRig(two)
    expect(rig.ask('llama3.2', ['http://a:1'], { onlyIfIdle: true }).error).toBeInstanceOf(NotFree)
    rig.backends[0]!.models.loaded('llama3.2', 0)
    expect(rig.ask('llama3.2', ['http://a:1'], { onlyIfIdle: true }).error).toBeInstanceOf(NotFree)
    expect(rig.time.pendingTimers).toBe(0)
  })
})

describe('a choice by what was measured', () => {
  const two = { backends: ['http://a:1', 'http://b:1'], slots: 1 }

  /** Lets a backend answer so fast. */
  async function pace(rig: ReturnType<typeof createRig>, backend: Backend, firstTokenMs: number, holdMs: number) {
    for (let count = 0; count < 10; count++) {
      const { lease } = rig.ask('llama3.2', [], { eligible: (each) => each === backend })
      await rig.time.advance(firstTokenMs)
      lease!.firstToken()
      await rig.time.advance(holdMs - firstTokenMs)
      lease!.end({ kind: 'whole' })
    }
  }

  it('prefers the faster one, and takes the slower one when that is busy', async () => {
    const rig = createRig(two)
    await pace(rig, rig.backends[0]!, 2_000, 20_000)
    await pace(rig, rig.backends[1]!, 200, 3_000)
    expect(nameOf(rig.ask())).toBe('http://b:1')
    expect(nameOf(rig.ask())).toBe('http://a:1')
  })

  it('keeps away from one that has failed, for a while', async () => {
    const rig = createRig(two)
    await pace(rig, rig.backends[0]!, 200, 3_000)
    await pace(rig, rig.backends[1]!, 200, 3_000)
    rig.fail(rig.ask('llama3.2', [], { eligible: ({ name }) => name === 'http://a:1' }).lease, CRASH)
    for (let count = 0; count < 4; count++) {
      const asker = rig.ask()
      expect(nameOf(asker)).toBe('http://b:1')
      asker.lease!.end({ kind: 'whole' })
    }
    await rig.time.advance(600_000)
    const names = [nameOf(rig.ask()), nameOf(rig.ask())]
    expect(names[0]).toBe('http://a:1')
  })

  it("does not hold a caller's mistakes against a backend", async () => {
    const rig = createRig(two)
    for (const backend of rig.backends) await pace(rig, backend, 200, 3_000)
    for (let count = 0; count < 6; count++) {
      const { lease } = rig.ask('llama3.2', [], { affinityKey: 'k1' })
      expect(lease!.backend.name).toBe('http://a:1')
      rig.fail(lease, { kind: 'status', status: 400, body: '{"error":"does not support tools"}', elapsedMs: 5 })
    }
  })

  it('keeps a conversation where it was, unless that is much slower', async () => {
    const rig = createRig({ ...two, slots: 4 })
    for (const backend of rig.backends) await pace(rig, backend, 200, 3_000)
    const first = rig.ask('llama3.2', [], { affinityKey: 'k1' })
    for (let count = 0; count < 4; count++) {
      first.lease?.end({ kind: 'whole' })
      rig.ask('llama3.2', [], { affinityKey: `other${count}` }).lease!.end({ kind: 'whole' })
      const again = rig.ask('llama3.2', [], { affinityKey: 'k1' })
      expect(nameOf(again)).toBe(nameOf(first))
      again.lease!.end({ kind: 'whole' })
    }
    const [kept, other] = rig.backends.toSorted((a) => (a.name === nameOf(first) ? -1 : 1))
    await pace(rig, kept!, 20_000, 60_000)
    expect(nameOf(rig.ask('llama3.2', [], { affinityKey: 'k1' }))).toBe(other!.name)
  })
})

describe('a model that is not in memory', () => {
  /** Plays what brings models into memory: a look finds what the test says, a load takes as long as it says. */
  function withLoader(
    rig: ReturnType<typeof createRig>,
    backend: Backend,
    found: 'absent' | 'in-memory',
    loadMs: number,
  ) {
    const told = { looks: 0, loads: 0 }
    let loadingSinceMs: number | undefined
    let looking = false
    const nowMs = (): number => rig.time.clock.monotonicMs()
    backend.loader = {
      want: (model) => {
        const readiness = backend.models.readiness(model, nowMs())
        if (readiness === 'unknown' && !looking) {
          looking = true
          told.looks++
          rig.time.timers.set(5, () => {
            backend.models.observed(model, found, nowMs())
            backend.changed()
          })
        } else if (readiness === 'absent' && loadingSinceMs === undefined) {
          told.loads++
          loadingSinceMs = nowMs()
          rig.time.timers.set(loadMs, () => {
            loadingSinceMs = undefined
            backend.models.loaded(model, nowMs())
            backend.changed()
          })
        }
      },
      loading: () =>
        loadingSinceMs === undefined ? undefined : { sinceMs: loadingSinceMs, expectedMs: loadMs, isOverdue: false },
      expectedMs: () => loadMs,
      current: undefined,
      loadOptions: () => NO_OPTIONS,
      tooLarge: () => false,
    }
    return told
  }

  it('is looked for first, of which nobody is told', async () => {
    const rig = createRig({ slots: 1 })
    const told = withLoader(rig, rig.backends[0]!, 'in-memory', 60_000)
    const asker = rig.ask()
    expect(asker.lease).toBeUndefined()
    await rig.time.advance(5)
    expect(asker.lease).toBeDefined()
    expect(asker.places).toEqual([])
    expect(told).toEqual({ looks: 1, loads: 0 })
  })

  it('20 callers, half of them leave: one load, all who stayed are served, all were told', async () => {
    const rig = createRig({ slots: 1 })
    const told = withLoader(rig, rig.backends[0]!, 'absent', 60_000)
    const askers = Array.from({ length: 20 }, () => rig.ask())
    await rig.time.advance(30_000)
    for (const { withdraw } of askers.slice(0, 10)) withdraw()
    expect(askers.map(({ loads }) => loads)).toEqual(askers.map(() => ['http://a:1 60000']))
    await rig.time.advance(30_005)
    expect(told).toEqual({ looks: 1, loads: 1 })
    expect(await orderOf(rig, Object.fromEntries(askers.slice(10).map((asker, n) => [`${n}`, asker])))).toBe(
      '0 1 2 3 4 5 6 7 8 9',
    )
  })

  it('is loaded on one backend only, and a load outlasts the patience of the queue', async () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots: 1, queueTimeoutMs: 10_000 })
    const told = rig.backends.map((backend) => withLoader(rig, backend, 'absent', 60_000))
    const asker = rig.ask()
    await rig.time.advance(60_005)
    expect(asker.lease).toBeDefined()
    expect(told[0]!.loads + told[1]!.loads).toBe(1)
  })

  it('is not loaded while another backend has it, unless waiting for that takes longer than the load', async () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots: 1 })
    withLoader(rig, rig.backends[0]!, 'in-memory', 60_000)
    const other = withLoader(rig, rig.backends[1]!, 'absent', 15_000)
    const first = rig.ask()
    await rig.time.advance(5)
    await rig.time.advance(4_000)
    first.lease!.end({ kind: 'whole' })
    for (let count = 0; count < 4; count++) rig.ask()
    expect(other.loads).toBe(0)
    rig.ask()
    expect(other.loads).toBe(1)
    await rig.time.advance(15_000)
    expect(rig.backends[1]!.slots.held).toBe(1)
  })

  it('is loaded for a call that may go nowhere else, though another backend has it', async () => {
    const rig = createRig({ backends: ['http://a:1', 'http://b:1'], slots: 1 })
    withLoader(rig, rig.backends[0]!, 'in-memory', 60_000)
    withLoader(rig, rig.backends[1]!, 'absent', 15_000)
    const asker = rig.ask('llama3.2', [], { eligible: ({ name }) => name === 'http://b:1' })
    await rig.time.advance(16_000)
    expect(nameOf(asker)).toBe('http://b:1')
    expect(asker.loads).toHaveLength(1)
  })

  it('is waited for as long as its load takes; the patience for a slot begins after it', async () => {
    const rig = createRig({ slots: 1, queueTimeoutMs: 300_000 })
    withLoader(rig, rig.backends[0]!, 'absent', 400_000)
    const askers = Array.from({ length: 3 }, () => rig.ask())
    await rig.time.advance(401_000)
    expect(askers.map(({ lease, error }) => error?.code ?? lease !== undefined)).toEqual([true, false, false])
    askers[0]!.lease!.end({ kind: 'whole' })
    await rig.time.advance(100_000)
    askers[1]!.lease!.firstToken()
    await rig.time.advance(198_000)
    expect(askers.map(({ lease, error }) => error?.code ?? lease !== undefined)).toEqual([true, true, false])
    await rig.time.advance(2_000)
    expect(askers[2]!.error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
  })

  it('a queue of no length still lets those wait whose slot is free', async () => {
    const rig = createRig({ slots: 2, maxQueueLength: 0 })
    withLoader(rig, rig.backends[0]!, 'absent', 60_000)
    const askers = Array.from({ length: 3 }, () => rig.ask())
    expect(askers.map(({ error }) => error?.code)).toEqual([undefined, undefined, 'QUEUE_FULL'])
  })
})
