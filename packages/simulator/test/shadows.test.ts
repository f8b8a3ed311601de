import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, TelemetryEvent } from '@surefoot/core'
import { describe, expect, it } from 'vitest'

import { ModelledOllama } from '../src/ollama/modelled-ollama.ts'
import { OracleAnswer } from '../src/ollama/oracle.ts'
import { DEFAULT_OLLAMA } from '../src/ollama/ollama-options.ts'
import type { OllamaOptions } from '../src/ollama/ollama-options.ts'
import { SILENT } from '../src/silent-logger.ts'
import { RandomStream } from '../src/time/random-stream.ts'
import { VirtualClock } from '../src/time/virtual-clock.ts'
import type { Exchange } from '../src/wire/exchange.ts'
import { ModelledConnection } from '../src/wire/modelled-connection.ts'

const LIVE = 'llama3.2'
const TRIED_OUT = 'qwen3:8b'
const OTHER = 'gemma3'
const MODELS = [LIVE, TRIED_OUT, OTHER].map((name) => ({
  name,
  digest: `digest of ${name}`,
  loaded: name !== OTHER,
  prefill: 'continue' as const,
}))
/** How long a slot stays taken after its client has left: as long as a real one was ever measured to need. */
const CANCEL_MS = 500
const PROMPT_MS = 400
/** There and back, and a look into its memory. */
const NETWORK_MS = 20

/** One question. */
interface Arrival {
  readonly atMs: number
  readonly model: string
  readonly tokens: number
}

/** What one caller saw. */
interface Seen {
  readonly firstTokenMs: number
  readonly text: string
}

/** The real core before modelled Ollamas; copies go to a model of its own, or do not. */
function createRig(hasShadows: boolean, changes: Partial<OllamaOptions> = {}, backends = 1) {
  const clock = new VirtualClock()
  const answers = new Map<string, OracleAnswer>()
  const exchanges: Exchange[] = []
  const ollamas = Array.from({ length: backends }, (_, index) => {
    const options = {
      ...DEFAULT_OLLAMA,
      models: MODELS,
      abortLagMs: CANCEL_MS,
      ...changes,
      url: `http://gpu-${index}:1`,
    }
    return new ModelledOllama(options, {
      clock,
      random: RandomStream.forNames(1, options.url),
      askedOf: (question) => {
        const answer = answers.get(question)
        return answer && { answer, promptMs: PROMPT_MS }
      },
      onBrokenOff: () => {},
    })
  })
  const surefoot = createSurefoot(
    {
      backends: ollamas.map(({ options }) => options.url),
      slots: 1,
      model: LIVE,
      deadlineMs: 10_000_000,
      queueTimeoutMs: 10_000_000,
      // Its questions to a model find another time beside copies, and are waited for then.
      resume: false,
      experiments: [
        {
          name: 'tone',
          variants: ['calm', 'warm'].map((name) => ({ name, model: LIVE })),
          shadow: { model: TRIED_OUT, share: hasShadows ? 1 : 0 },
        },
      ],
    },
    {
      runtime: clock.createRuntime(1),
      logger: SILENT,
      env: {},
      connect: (url) => {
        const ollama = ollamas.find(({ options }) => options.url === url)!
        const watch = { dispatched: (exchange: Exchange) => exchanges.push(exchange), ended: () => {} }
        const random = RandomStream.forNames(2, url)
        return new ModelledConnection(ollama, { clock, random, connectTimeoutMs: 5_000, watch })
      },
    },
  )
  const ended: (TelemetryEvent & { type: 'shadow-end' })[] = []
  surefoot.telemetry.on((event) => {
    if (event.type === 'shadow-end') ended.push(event)
  })
  const rig = {
    clock,
    ollamas,
    surefoot,
    exchanges,
    /** How copies ended. */
    ended,
    /** Requests with the question of somebody. */
    get chats() {
      return exchanges.filter(({ body }) => body?.includes('"Question ') === true).length
    },
    ask: async (content: string, { model, tokens }: Omit<Arrival, 'atMs'>): Promise<Seen> => {
      answers.set(content, new OracleAnswer(content, tokens))
      return await read(surefoot, clock, content, model)
    },
    /** Plays all of it; what every caller saw, in order. */
    async play(arrivals: readonly Arrival[]): Promise<Seen[]> {
      const seen: Promise<Seen>[] = []
      for (const [index, arrival] of arrivals.entries()) {
        clock.at(arrival.atMs, () => {
          seen[index] = rig.ask(`Question ${index}.`, arrival)
        })
      }
      await clock.run(arrivals.at(-1)!.atMs + 3_600_000)
      return await Promise.all(seen)
    },
    report: async () => (await surefoot.experiments())[0]!.variants.find(({ name }) => name.startsWith('shadow'))!,
    async close() {
      await surefoot.close()
      expect(clock.coreTimers).toBe(0)
    },
  }
  return rig
}

async function read(surefoot: LocalSurefoot, clock: VirtualClock, content: string, model: string): Promise<Seen> {
  const startedMs = clock.nowMs
  let firstTokenMs: number | undefined
  let text = ''
  for await (const event of surefoot.run({ model, messages: [{ role: 'user', content }] })) {
    if (event.type !== 'delta') continue
    firstTokenMs ??= clock.nowMs - startedMs
    text += event.text
  }
  return { firstTokenMs: firstTokenMs!, text }
}

function arrivalsOf(count: number, seed: number, otherShare: number): Arrival[] {
  const random = RandomStream.forNames(seed, 'arrivals')
  let atMs = 0
  return Array.from({ length: count }, () => {
    atMs += random.exponential(6_000)
    const model = random.chance(otherShare) ? TRIED_OUT : LIVE
    return { atMs, model, tokens: random.whole(1, 40) }
  })
}

describe('copies', () => {
  it.each([
    { backends: 1, calls: 2_000 },
    { backends: 3, calls: 1_000 },
  ])(
    'add at most one cancel to the wait of any call, with $backends',
    { timeout: 60_000 },
    async ({ backends, calls }) => {
      // A third of the calls are for the model that is tried out: the copies are in the way of these.
      const arrivals = arrivalsOf(calls, backends, 0.3)
      const [without, beside] = [createRig(false, {}, backends), createRig(true, {}, backends)]
      const [usual, shadowed] = [await without.play(arrivals), await beside.play(arrivals)]
      const added = shadowed.map(({ firstTokenMs }, index) => firstTokenMs - usual[index]!.firstTokenMs)
      expect(Math.max(...added)).toBeLessThanOrEqual(CANCEL_MS)
      // Such a wait did come about; where there is another backend, a call goes there.
      const kept = added.filter((ms) => ms > CANCEL_MS * 0.9).length
      if (backends === 1) expect(kept).toBeGreaterThan(10)
      else expect(kept).toBeLessThan(10)
      // Nobody sees anything of them.
      expect(shadowed.map(({ text }) => text)).toEqual(usual.map(({ text }) => text))
      const { shadows, success, sessions, calls: counted } = await beside.report()
      expect({ sessions, calls: counted }).toEqual({ sessions: 0, calls: 0 })
      expect(shadows.whole).toBeGreaterThan(200)
      expect(shadows.cancelled).toBeGreaterThan(50)
      expect(shadows.begun).toBe(shadows.whole + shadows.cancelled)
      expect(success).toMatchObject({ value: 1, count: shadows.whole })
      // None was tried again, and nothing is held against a backend.
      expect(beside.chats).toBe(arrivals.length + shadows.begun)
      for (const { breaker, inFlight } of await beside.surefoot.backends()) {
        expect({ inFlight, failures: breaker.failures }).toEqual({ inFlight: 0, failures: 0 })
      }
      await without.close()
      await beside.close()
    },
  )

  it('make room for a load that a call waits for', async () => {
    const rig = createRig(true, { mostModels: 2 })
    void rig.ask('first', { model: LIVE, tokens: 50 })
    await rig.clock.run(rig.clock.nowMs + 8_000)
    // The copy runs, and its model cannot be put out; the other one was used later by nobody.
    expect((await rig.report()).shadows).toEqual({ begun: 1, whole: 0, cancelled: 0 })
    const asked = rig.ask('second', { model: OTHER, tokens: 5 })
    await rig.clock.run(rig.clock.nowMs + 60_000)
    const { firstTokenMs } = await asked
    expect(firstTokenMs).toBeLessThanOrEqual(DEFAULT_OLLAMA.loadMs + PROMPT_MS + CANCEL_MS + NETWORK_MS)
    expect((await rig.report()).shadows).toMatchObject({ cancelled: 1 })
    await rig.close()
  })

  it('end when the Surefoot closes, which does not wait for them', async () => {
    const rig = createRig(true)
    void rig.ask('first', { model: LIVE, tokens: 50 })
    await rig.clock.run(rig.clock.nowMs + 8_000)
    expect(rig.exchanges.filter(({ ended }) => !ended)).toHaveLength(1)
    const beforeMs = rig.clock.nowMs
    await rig.close()
    expect(rig.clock.nowMs).toBe(beforeMs)
    expect(rig.exchanges.filter(({ ended }) => !ended)).toHaveLength(0)
    expect(rig.ended.map(({ outcome }) => outcome)).toEqual(['cancelled'])
  })

  it('load no model, and are not tried where theirs is not in memory', async () => {
    const rig = createRig(true, { models: MODELS.filter(({ name }) => name !== TRIED_OUT) })
    await rig.play(arrivalsOf(20, 3, 0))
    expect(rig.chats).toBe(20)
    expect(rig.ollamas[0]!.memory.loads).toBe(0)
    expect((await rig.report()).shadows).toEqual({ begun: 0, whole: 0, cancelled: 0 })
    await rig.close()
  })
})
