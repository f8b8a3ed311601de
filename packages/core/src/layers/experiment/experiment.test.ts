import { SurefootError } from '@surefoot/protocol'
import type { ErrorCode } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { ExperimentInput } from '../../config/experiment.ts'
import { readConfig } from '../../config/read-config.ts'
import type { Call, CallContext, CallEnd, How, Reply } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { createExperiment } from './experiment.ts'
import { Experiments } from './experiments.ts'

const TONE: ExperimentInput = { name: 'tone', variants: [{ model: 'a' }, { model: 'b' }] }

/** What becomes of a call at its variant. */
interface Does {
  readonly fails?: ErrorCode
  readonly how?: How
  /** Until its first token. @default 100 */
  readonly afterMs?: number
  /** What the caller gets in the end. @default the whole answer */
  readonly end?: CallEnd
  /** Who stands above asks it again when it fails. */
  readonly again?: boolean
}

function createRig(...given: readonly ExperimentInput[]) {
  const time = createVirtualTime()
  const telemetry = createTelemetry()
  const decided: TelemetryEvent[] = []
  telemetry.on((event) => decided.push(event))
  const config = readConfig({ experiments: given, model: 'llama3.2' }, {})
  const experiments = new Experiments(config, time, telemetry)
  const seen: Call[] = []
  const offered: string[] = []
  let does: (call: Call) => Does = () => ({})
  let calls = 0
  const service = createExperiment({
    experiments,
    runtime: time,
    shadows: { offer: (_trial, _call, runId) => offered.push(runId) },
  })(async (call): Promise<Reply> => {
    seen.push(call)
    const { fails, how, afterMs = 100 } = does(call)
    await time.advance(afterMs)
    if (fails !== undefined) throw new SurefootError({ code: fails, message: fails })
    return { backend: 'http://a', ...(how !== undefined && { how }), body: undefined as never }
  })
  return {
    time,
    decided,
    seen,
    offered,
    experiments,
    does: (next: (call: Call) => Does) => (does = next),
    /** One call to its end; resolves with the label of its reply, or with why there is none. */
    async ask(extra: Partial<Call> = {}) {
      const controller = new AbortController()
      const cleanups: ((end: CallEnd) => void)[] = []
      const call: Call = {
        kind: 'chat',
        model: 'llama3.2',
        request: { messages: [{ role: 'user', content: 'What is water?' }], options: { temperature: 0.7, seed: 1 } },
        buffered: false,
        ...extra,
      }
      const context = {
        id: `run-${++calls}`,
        signal: controller.signal,
        defer: (cleanup: (end: CallEnd) => void) => cleanups.push(cleanup),
      } as unknown as CallContext
      const answered: CallEnd = {
        kind: 'answered',
        answer: { eval_count: 30, eval_duration: 2e9 } as (CallEnd & { kind: 'answered' })['answer'],
      }
      let end: CallEnd = answered
      let result: string | undefined
      try {
        const first = service(call, context)
        const reply = does(call).again === true ? first.catch(() => service(call, context)) : first
        result = (await reply).how?.variant
        end = does(seen.at(-1)!).end ?? answered
      } catch (error) {
        if (!SurefootError.is(error)) throw error
        result = error.code
        end = { kind: 'failed', error }
      }
      await time.advance(2_000)
      for (const cleanup of cleanups) cleanup(end)
      return result
    },
    report: () => experiments.report()[0]!,
    row: (name: string) => experiments.report()[0]!.variants.find((variant) => variant.name === name)!,
  }
}

/** A key that gets this variant of `tone`. */
async function keyOf(rig: ReturnType<typeof createRig>, variant: string): Promise<string> {
  for (let index = 0; ; index++)
    if ((await rig.ask({ stickyKey: `k${index}` })) === `tone/${variant}`) return `k${index}`
}

describe('which calls take part', () => {
  it('those for its model; others pass untouched', async () => {
    const rig = createRig(TONE)
    expect(await rig.ask({ stickyKey: 'k' })).toMatch(/^tone\/[ab]$/)
    expect(['a', 'b']).toContain(rig.seen[0]!.model)
    expect(rig.seen[0]!.request.model).toMatch(/^[ab]$/)
    for (const extra of [{ model: 'qwen3:8b' }, { kind: 'embed' as const }]) {
      expect(await rig.ask(extra)).toBeUndefined()
      expect(rig.seen.at(-1)).toMatchObject(extra)
    }
    expect(rig.report().variants.reduce((sum, { calls }) => sum + calls, 0)).toBe(1)
  })

  it('in the first of two experiments with one model', async () => {
    const rig = createRig(TONE, { ...TONE, name: 'later', model: 'llama3.2:latest' })
    expect(await rig.ask()).toMatch(/^tone/)
    expect(rig.experiments.report().map(({ name, model }) => `${name} ${model}`)).toEqual([
      'tone llama3.2',
      'later llama3.2:latest',
    ])
  })

  it("with the variant's options before the caller's", async () => {
    const variants = ['warm', 'also-warm'].map((name) => ({ name, model: 'a', options: { temperature: 1 } }))
    const rig = createRig({ name: 'tone', variants })
    await rig.ask()
    expect(rig.seen[0]!.request.options).toEqual({ temperature: 1, seed: 1 })
  })
})

describe('a call', () => {
  it('counts once, as a failure, where its variant fails and is asked again since nobody else could answer', async () => {
    const rig = createRig(TONE)
    let asked = 0
    rig.does(({ model }) => (model !== 'llama3.2' && asked++ === 0 ? { fails: 'CANNOT_CONNECT' } : { again: true }))
    expect(await rig.ask()).toMatch(/^tone/)
    expect(rig.seen).toHaveLength(2)
    const [counted] = rig.report().variants.filter(({ calls }) => calls > 0)
    expect(counted).toMatchObject({ calls: 1, success: { value: 0, count: 1 } })
    expect(rig.report().observed).toBe(1)
  })
})

describe('one key, one variant', () => {
  it('in every call; and it is one session', async () => {
    const rig = createRig(TONE)
    const labels = new Map<string, Set<unknown>>()
    for (let round = 0; round < 3; round++) {
      for (let user = 0; user < 100; user++) {
        const stickyKey = `user-${user}`
        labels.set(stickyKey, (labels.get(stickyKey) ?? new Set()).add(await rig.ask({ stickyKey })))
      }
    }
    expect([...labels.values()].every(({ size }) => size === 1)).toBe(true)
    const { variants, observed } = rig.report()
    expect(variants.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(100)
    expect(variants.reduce((sum, { calls }) => sum + calls, 0)).toBe(300)
    expect(observed).toBe(100)
  })

  it('a call without a key is a session of its own', async () => {
    const rig = createRig(TONE)
    for (let index = 0; index < 20; index++) await rig.ask({ stickyKey: undefined })
    expect(rig.report().observed).toBe(20)
  })
})

describe('what is measured', () => {
  it('time to the first token, tokens per second, length; also of an answer that came as a whole', async () => {
    const rig = createRig({
      ...TONE,
      variants: [
        { model: 'a', weight: 1_000_000 },
        { model: 'b', weight: 0.000_001 },
      ],
    })
    rig.does(() => ({ afterMs: 400 }))
    await rig.ask()
    await rig.ask()
    expect(rig.row('a')).toMatchObject({
      calls: 2,
      success: { value: 1, count: 2 },
      firstTokenMs: { value: expect.closeTo(400), count: 2 },
      tokensPerSecond: { value: 15 },
      answerTokens: { value: 30 },
    })
    // Whole after 2.4 s, of which its tokens took 2 s.
    await rig.ask({ buffered: true })
    expect(rig.row('a').firstTokenMs).toMatchObject({ value: expect.closeTo(400), count: 3 })
    expect(rig.row('b')).toMatchObject({ calls: 0, success: undefined, firstTokenMs: undefined })
  })

  it.each([
    'QUEUE_FULL',
    'QUEUE_TIMEOUT',
    'BREAKER_OPEN',
    'BACKEND_FAILED',
    'MODEL_NOT_FOUND',
    'CONTEXT_OVERFLOW',
    'DEADLINE_EXCEEDED',
  ] as const)('%s is a failure of the variant, whoever rescues the call', async (fails) => {
    const rig = createRig(TONE)
    rig.does(() => ({ fails }))
    expect(await rig.ask()).toBe(fails)
    const [row] = rig.report().variants.filter(({ calls }) => calls > 0)
    expect(row).toMatchObject({ calls: 1, success: { value: 0 } })
    expect(rig.report().observed).toBe(1)
    expect(rig.offered).toEqual([])
  })

  it.each(['INVALID_REQUEST', 'PAYLOAD_TOO_LARGE', 'SHUTTING_DOWN'] as const)(
    '%s says nothing of it',
    async (fails) => {
      const rig = createRig(TONE)
      rig.does(() => ({ fails }))
      await rig.ask()
      expect(rig.report()).toMatchObject({ observed: 0, variants: [{ calls: 0 }, { calls: 0 }] })
    },
  )

  it('an answer that breaks off after its first token is a failure, one whose caller leaves is not counted', async () => {
    const rig = createRig(TONE)
    const error = new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'It broke.' })
    rig.does(() => ({ end: { kind: 'failed', error } }))
    await rig.ask({ stickyKey: 'k' })
    rig.does(() => ({ end: { kind: 'aborted' } }))
    await rig.ask({ stickyKey: 'k' })
    const [row] = rig.report().variants.filter(({ sessions }) => sessions > 0)
    expect(row).toMatchObject({ sessions: 1, calls: 1, success: { value: 0, count: 1 } })
  })

  it('an answer from the cache has the label, but says nothing of the variant', async () => {
    const rig = createRig(TONE)
    rig.does(() => ({ how: { served: 'cache', cachedAtMs: 5 } }))
    expect(await rig.ask()).toMatch(/^tone/)
    expect(rig.report()).toMatchObject({ observed: 0, variants: [{ calls: 0 }, { calls: 0 }] })
    expect(rig.offered).toEqual([])
  })
})

describe('feedback', () => {
  it('a second judgement replaces the first; unknown runs are refused', async () => {
    const rig = createRig({ ...TONE, goal: 'feedback' })
    await rig.ask({ stickyKey: 'k' })
    expect(rig.experiments.feedback('run-1', true)).toBe(true)
    expect(rig.experiments.feedback('run-1', true)).toBe(true)
    const row = () => rig.report().variants.find(({ sessions }) => sessions > 0)
    expect(row()).toMatchObject({ feedback: { value: 1, count: 1 } })
    expect(rig.experiments.feedback('run-1', false)).toBe(true)
    expect(row()).toMatchObject({ feedback: { value: 0, count: 1 } })
    expect(rig.experiments.feedback('run-2', true)).toBe(false)
    expect(rig.report().observed).toBe(1)
  })

  it('only the latest 20,000 answers can be judged', async () => {
    const rig = createRig(TONE)
    const trial = rig.experiments.of('llama3.2')!
    for (let index = 0; index <= 20_000; index++) rig.experiments.shown(`${index}`, trial, trial.join('k'))
    expect(rig.experiments.feedback('0', true)).toBe(false)
    expect(rig.experiments.feedback('1', true)).toBe(true)
  })

  it('of a call that failed before a word of it was shown there is nothing to judge', async () => {
    const rig = createRig(TONE)
    rig.does(() => ({ fails: 'BACKEND_FAILED' }))
    await rig.ask()
    expect(rig.experiments.feedback('run-1', false)).toBe(false)
  })
})

describe('the winner', () => {
  it('is named with its time once the test is sure, is told once, and stays', async () => {
    const rig = createRig(TONE)
    rig.does(({ model }) => (model === 'b' ? { fails: 'BACKEND_FAILED' } : {}))
    expect(rig.report().winner).toBeUndefined()
    for (let user = 0; user < 60; user++) await rig.ask({ stickyKey: `user-${user}` })
    const { winner, decidedAtMs, observed } = rig.report()
    expect(winner).toBe('a')
    expect(decidedAtMs).toBeGreaterThan(1_800_000_000_000)
    rig.does(({ model }) => (model === 'a' ? { fails: 'BACKEND_FAILED' } : {}))
    for (let user = 60; user < 200; user++) await rig.ask({ stickyKey: `user-${user}` })
    expect(rig.report()).toMatchObject({ winner: 'a', decidedAtMs, observed: observed + 140 })
    expect(rig.decided).toEqual([{ type: 'experiment-decide', experiment: 'tone', winner: 'a' }])
  })

  it('is not found by one who asks again and again', async () => {
    const other = createRig(TONE)
    const keys = [await keyOf(other, 'a'), await keyOf(other, 'b')]
    const rig = createRig(TONE)
    rig.does(({ model }) => (model === 'b' ? { fails: 'BACKEND_FAILED' } : {}))
    for (let call = 0; call < 200; call++) await rig.ask({ stickyKey: keys[call % 2] })
    expect(rig.report()).toMatchObject({ winner: undefined, observed: 2 })
  })

  it('goes by what people say where that is the goal', async () => {
    const rig = createRig({ ...TONE, goal: 'feedback' })
    for (let user = 0; user < 60; user++) {
      const label = await rig.ask({ stickyKey: `user-${user}` })
      rig.experiments.feedback(`run-${user + 1}`, label === 'tone/b')
    }
    expect(rig.report()).toMatchObject({ goal: 'feedback', winner: 'b' })
  })
})
