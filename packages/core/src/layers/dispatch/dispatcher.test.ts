import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Backend } from '../../backends/backend.ts'
import { Fleet } from '../../backends/fleet.ts'
import type { Lease } from '../../backends/lease.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { readConfig } from '../../config/read-config.ts'
import { classify } from '../../outcome/classify.ts'
import type { Failure } from '../../outcome/failure.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { Dispatcher } from './dispatcher.ts'

const REFUSED: Failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }
const CRASH: Failure = { kind: 'status', status: 500, body: '{"error":"unexpected EOF"}', elapsedMs: 5_000 }
const MISSING: Failure = { kind: 'status', status: 404, body: '{"error":"model \'llama3.2\' not found"}', elapsedMs: 1 }

/** One that asked for a slot, and what it was told. */
interface Asker {
  lease: Lease | undefined
  error: SurefootError | undefined
  readonly places: string[]
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
    ask(model = 'llama3.2', exclude: readonly string[] = []): Asker {
      const asker: { -readonly [K in keyof Asker]: Asker[K] } = {
        lease: undefined,
        error: undefined,
        places: [],
        withdraw: () => {},
      }
      asker.withdraw = dispatcher.apply(model, {
        exclude: new Set(exclude),
        grant: (lease) => (asker.lease = lease),
        refuse: (error) => (asker.error = error as SurefootError),
        queued: (position, waitingFor, expectedWaitMs) =>
          asker.places.push(`${position} ${waitingFor}${expectedWaitMs === undefined ? '' : ` ${expectedWaitMs}`}`),
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
