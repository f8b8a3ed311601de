import { createSeededRandom, createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ScriptedOllama } from '../../../test/scripted-ollama.ts'
import { Backend } from '../../backends/backend.ts'
import { Fleet } from '../../backends/fleet.ts'
import type { AttemptEnd, Lease } from '../../backends/lease.ts'
import { Loader } from '../../backends/loader.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { readConfig } from '../../config/read-config.ts'
import { LoadOptions } from '../../load-options.ts'
import { classify } from '../../outcome/classify.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { Dispatcher } from './dispatcher.ts'

const MODEL = 'llama3.2'
const WHOLE: AttemptEnd = { kind: 'whole' }
const TOO_LONG = JSON.stringify({ error: 'the input length exceeds the context length' })
const NO_MEMORY = 'model requires more system memory (5.6 GiB) than is available (3.1 GiB)'

interface Asker {
  lease: Lease | undefined
  error: unknown
  readonly loads: string[]
  readonly withdraw: () => void
}

/** A queue before backends that load their models themselves; each load takes a second. */
function createRig(given: SurefootConfig = {}) {
  const time = createVirtualTime()
  const config = readConfig({ backends: 'http://a:1', slots: 4, ...given })
  const telemetry = createTelemetry()
  const loadOptions = new LoadOptions(time.clock)
  const ollamas = config.backends.map(() => new ScriptedOllama(time))
  const backends = config.backends.map((url, at) => {
    const backend = new Backend(url, config, time, telemetry)
    const { connection } = ollamas[at]!
    backend.loader = new Loader({ backend, connection, runtime: time, telemetry, loadTimeoutMs: 600_000, loadOptions })
    return backend
  })
  const dispatcher = new Dispatcher(new Fleet(backends), config, time)
  return {
    time,
    loadOptions,
    ollamas,
    ollama: ollamas[0]!,
    backends,
    dispatcher,
    ask(): Asker {
      const asker: { -readonly [K in keyof Asker]: Asker[K] } = {
        lease: undefined,
        error: undefined,
        loads: [],
        withdraw: () => {},
      }
      asker.withdraw = dispatcher.apply(MODEL, {
        exclude: new Set(),
        grant: (lease) => (asker.lease = lease),
        refuse: (error) => (asker.error = error),
        queued: () => {},
        loading: (backend) => asker.loads.push(backend),
      })
      return asker
    },
    /** What each load named, in order. */
    loadsOf: (ollama: ScriptedOllama) => ollama.seen.map(({ options }) => options['num_ctx']),
  }
}

const failedWith = (status: number, body: string): AttemptEnd => ({
  kind: 'failed',
  verdict: classify({ kind: 'status', status, body, elapsedMs: 1 }, { backend: 'http://a:1', model: MODEL }),
})
const backendOf = ({ lease }: Asker): string | undefined => lease?.backend.name

describe('a model whose context has grown', () => {
  async function startGrown(ends: number, given?: SurefootConfig) {
    const rig = createRig(given)
    for (const { models } of rig.backends) models.loaded(MODEL, 0)
    const before = Array.from({ length: ends }, () => rig.ask())
    expect(before.every(({ lease }) => lease !== undefined)).toBe(true)
    rig.loadOptions.grow(MODEL, 8_192)
    return { ...rig, before }
  }

  it('is given to nobody until all calls of before have ended; then it is loaded once, for all', async () => {
    const rig = await startGrown(2)
    const waiting = [rig.ask(), rig.ask()]
    await rig.time.advance(60_000)
    rig.before[0]!.lease!.end(WHOLE)
    await rig.time.advance(60_000)
    expect(waiting.map(backendOf)).toEqual([undefined, undefined])
    expect(rig.ollama.seen).toEqual([])
    rig.before[1]!.lease!.end(WHOLE)
    expect(waiting.map(({ loads }) => loads)).toEqual([['http://a:1'], ['http://a:1']])
    await rig.time.advance(999)
    expect(waiting.map(backendOf)).toEqual([undefined, undefined])
    await rig.time.advance(1)
    expect(waiting.map(backendOf)).toEqual(['http://a:1', 'http://a:1'])
    expect(waiting[0]!.lease!.loadedWith).toEqual({ num_ctx: 8_192 })
    expect(rig.loadsOf(rig.ollama)).toEqual([8_192])
  })

  it.each([
    ['is refused at once as too long', failedWith(400, TOO_LONG)],
    ['is left', { kind: 'left' }],
    ['dies', failedWith(500, '{"error":"unexpected EOF"}')],
  ] as const)('keeps nobody waiting for a call that %s', async (_name, how) => {
    const rig = await startGrown(1)
    const waiting = rig.ask()
    rig.before[0]!.lease!.end(how)
    await rig.time.advance(2_000)
    expect(backendOf(waiting)).toBe('http://a:1')
    expect(rig.loadsOf(rig.ollama)).toEqual([8_192])
  })

  it('waits as long as Ollama may still work on a call that has left', async () => {
    const rig = await startGrown(1)
    const waiting = rig.ask()
    rig.before[0]!.lease!.end({ kind: 'left', staysTakenMs: 5_000 })
    await rig.time.advance(4_999)
    expect(rig.ollama.seen).toEqual([])
    await rig.time.advance(1_001)
    expect(backendOf(waiting)).toBe('http://a:1')
  })

  it('goes to another backend at once, where nothing runs', async () => {
    const rig = await startGrown(1, { backends: 'http://a:1,http://b:2' })
    const busy = backendOf(rig.before[0]!)
    const waiting = [rig.ask(), rig.ask()]
    await rig.time.advance(1_000)
    for (const asker of waiting) expect(backendOf(asker)).not.toBe(busy)
    expect(waiting.every(({ lease }) => lease !== undefined)).toBe(true)
    expect(rig.ollamas.map(({ loads }) => loads).reduce((sum, loads) => sum + loads)).toBe(1)
  })

  it('is loaded again by ourselves when it grew while it was being loaded', async () => {
    const rig = createRig()
    rig.backends[0]!.models.observed(MODEL, 'absent', 0)
    const waiting = [rig.ask(), rig.ask()]
    await rig.time.advance(500)
    rig.loadOptions.grow(MODEL, 8_192)
    await rig.time.advance(600)
    expect(waiting.map(backendOf)).toEqual([undefined, undefined])
    await rig.time.advance(900)
    expect(waiting.map(backendOf)).toEqual(['http://a:1', 'http://a:1'])
    expect(rig.loadsOf(rig.ollama)).toEqual([undefined, 8_192])
  })

  it('that is too large for memory is loaded as before, and calls go on', async () => {
    const rig = await startGrown(1)
    const waiting = [rig.ask(), rig.ask()]
    rig.ollama.loadError = { status: 500, error: NO_MEMORY }
    rig.before[0]!.lease!.end(WHOLE)
    await rig.time.advance(500)
    expect(rig.loadOptions.of(MODEL)).toEqual({ num_ctx: 8_192 })
    await rig.time.advance(500)
    rig.ollama.loadError = undefined
    await rig.time.advance(1_000)
    expect(waiting.map(backendOf)).toEqual(['http://a:1', 'http://a:1'])
    expect(rig.loadsOf(rig.ollama)).toEqual([8_192, undefined])
    expect(rig.backends[0]!.isUsable(MODEL, false)).toBe(true)
  })

  it('that cannot be loaded at all is left to calls to find out', async () => {
    const rig = await startGrown(1)
    const waiting = rig.ask()
    rig.ollama.loadError = { status: 500, error: 'something else' }
    rig.before[0]!.lease!.end(WHOLE)
    await rig.time.advance(1_000)
    expect(backendOf(waiting)).toBe('http://a:1')
    expect(rig.ollama.loads).toBe(1)
  })

  it('makes calls wait no longer than the queue allows', async () => {
    const rig = await startGrown(1, { queueTimeoutMs: 30_000 })
    const waiting = rig.ask()
    await rig.time.advance(30_000)
    expect(waiting.error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
  })

  it('is loaded by ourselves also where others have loaded it', async () => {
    const rig = createRig()
    rig.backends[0]!.models.observed(MODEL, 'in-memory', 0)
    rig.loadOptions.grow(MODEL, 8_192)
    const waiting = rig.ask()
    await rig.time.advance(1_000)
    expect(backendOf(waiting)).toBe('http://a:1')
    expect(rig.loadsOf(rig.ollama)).toEqual([8_192])
  })

  it('is no matter of a model in the cloud', () => {
    const rig = createRig()
    const backend = rig.backends[0]!
    const lease = backend.lease('gpt-oss:cloud')
    rig.loadOptions.grow('gpt-oss:cloud', 8_192)
    expect(backend.readiness('gpt-oss:cloud')).toBe('ready')
    lease.end(WHOLE)
    expect(backend.readiness('gpt-oss:cloud')).toBe('ready')
  })
})

it('an option that changes nothing of what a model is loaded with keeps nobody waiting', async () => {
  const rig = createRig()
  rig.backends[0]!.models.loaded(MODEL, 0)
  rig.loadOptions.unify(MODEL, { num_ctx: 8_192 })
  const running = rig.ask()
  await rig.time.advance(1_000)
  rig.loadOptions.unify(MODEL, undefined)
  rig.loadOptions.unify(MODEL, { num_ctx: 4_096, temperature: 0 })
  expect([running, rig.ask()].map(backendOf)).toEqual(['http://a:1', 'http://a:1'])
})

it('whatever grows and ends whenever: no backend runs calls of two kinds, each size is loaded once, and all calls go', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = createSeededRandom(seed)
    const rig = createRig({ backends: seed % 2 === 0 ? 'http://a:1' : 'http://a:1,http://b:2,http://c:3', slots: 3 })
    const askers: Asker[] = []
    const running = new Set<Asker>()
    const sizes = [4_096, 8_192, 16_384, 32_768]
    const look = (): void => {
      for (const asker of askers) if (asker.lease !== undefined && !ended.has(asker)) running.add(asker)
      for (const { name } of rig.backends) {
        const here = [...running].filter((asker) => backendOf(asker) === name)
        expect(new Set(here.map(({ lease }) => lease!.loadedWith)).size).toBeLessThanOrEqual(1)
      }
    }
    const ended = new Set<Asker>()
    const endOne = (): void => {
      const all = [...running]
      const asker = all[Math.floor(random.next() * all.length)]
      if (asker === undefined) return
      running.delete(asker)
      ended.add(asker)
      const ways: AttemptEnd[] = [
        WHOLE,
        failedWith(400, TOO_LONG),
        { kind: 'left' },
        { kind: 'left', staysTakenMs: 300 },
      ]
      asker.lease!.end(ways[Math.floor(random.next() * ways.length)]!)
    }
    for (let step = 0; step < 120; step++) {
      const dice = random.next()
      if (dice < 0.4) askers.push(rig.ask())
      else if (dice < 0.75) endOne()
      else if (dice < 0.8 && sizes.length > 0) rig.loadOptions.grow(MODEL, sizes.shift()!)
      else await rig.time.advance(random.next() * 1_500)
      look()
    }
    for (let step = 0; ended.size < askers.length && step < 1_000; step++) {
      await rig.time.advance(100)
      look()
      endOne()
    }
    expect(ended.size).toBe(askers.length)
    for (const ollama of rig.ollamas) {
      const loads = rig.loadsOf(ollama)
      expect(loads).toEqual([...new Set(loads)])
    }
  }
})
