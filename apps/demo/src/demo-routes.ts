import { setTimeout as pause } from 'node:timers/promises'
import { SurefootError, type ChatAnswer, type Surefoot } from '@surefoot/protocol'
import { callerSignal, type Drains } from '@surefoot/server'
import type { Context, Hono } from 'hono'
import { stream } from 'hono/streaming'

import type { AnswerCounts } from './answer-counts.ts'
import type { FaultSwitch } from './fault-switch.ts'
import { createOneAtATime } from './one-at-a-time.ts'
import { runReliabilityTest } from './reliability-test.ts'
import {
  BREAK_MODES,
  type BreakMode,
  type CacheNumbers,
  type DemoInfo,
  type ReliabilityEvent,
} from './shared/demo-api.ts'
import { askStraight, type TestOutcome } from './straight-client.ts'

/** The numbers of the reliability test. */
export interface TestSettings {
  /** Longest answer, in tokens. */
  readonly tokens: number
  /** How long the naive client bears silence, in milliseconds. */
  readonly patienceMs: number
  /**
   * With connections refused for good nothing could pass: during the test the backends go away and come back, as on a
   * restart, after this many milliseconds each.
   */
  readonly restartMs: number
}

/** What the demo's own routes need. */
export interface DemoDeps {
  readonly surefoot: Surefoot
  readonly faults: FaultSwitch
  /** Takes backends out and puts them back. */
  readonly drains: Drains
  readonly about: Omit<DemoInfo, 'mode' | 'requests' | 'broken' | 'answers' | 'cache'>
  readonly answers: AnswerCounts
  readonly cache: () => CacheNumbers | undefined
  readonly test: TestSettings
  /** Ends the tests that run when the demo closes. */
  readonly signal: AbortSignal
}

const QUESTIONS = ['What is water?', 'Why is the sky blue?', 'What is gravity?', 'How do plants grow?']

/**
 * The routes behind the page's machinery: what it runs on, the break bar, the reliability test. The server refuses
 * foreign origins and foreign host names before they are reached.
 */
export function addDemoRoutes(app: Hono, deps: DemoDeps): void {
  const room = createOneAtATime()
  // During a test with restarts the switch goes to and fro; the page shows the button that was pressed.
  let pressed: BreakMode = deps.faults.mode
  app.get('/demo/info', (context) => {
    const info: DemoInfo = {
      ...deps.about,
      mode: pressed,
      ...deps.faults.counts(),
      answers: deps.answers.counts(),
      cache: deps.cache(),
    }
    return context.json(info)
  })

  app.post('/demo/fault', async (context) => {
    const mode = await readMode(context)
    if (mode === undefined) {
      return context.json({ success: false, error: `mode must be one of ${BREAK_MODES.join(', ')}` }, 400)
    }
    if (!(await room.isFree())) {
      return context.json({ success: false, error: 'Not while the reliability test runs.' }, 409)
    }
    await deps.faults.set(mode)
    pressed = mode
    return context.json({ success: true, mode })
  })

  app.post('/demo/drain', async (context) => {
    const { url, draining } = (await readJson(context)) as { url?: unknown; draining?: unknown }
    if (typeof url !== 'string' || typeof draining !== 'boolean') {
      return context.json({ success: false, error: 'url must be a backend, and draining true or false' }, 400)
    }
    try {
      if (draining) deps.drains.drain(url)
      else deps.drains.undrain(url)
    } catch (error) {
      if (!SurefootError.is(error)) throw error
      return context.json({ success: false, error: error.message }, 400)
    }
    return context.json({ success: true, url, draining })
  })

  app.post('/demo/reliability-test', async (context) => {
    const caller = callerSignal(context.req.raw)
    const leaveRoom = await room.take(caller)
    if (leaveRoom === undefined) {
      return context.json({ success: false, error: 'The reliability test is already running.' }, 409)
    }
    context.header('content-type', 'application/x-ndjson')
    context.header('cache-control', 'no-store')
    return stream(context, async (body) => {
      const signal = AbortSignal.any([caller, deps.signal])
      const emit = (event: ReliabilityEvent): void => void body.write(`${JSON.stringify(event)}\n`)
      try {
        await withRestarts(deps, signal, (inner) => runTest(deps, emit, inner))
      } catch (error) {
        if (!signal.aborted) emit({ type: 'error', message: error instanceof Error ? error.message : String(error) })
      } finally {
        leaveRoom()
      }
    })
  })
}

function runTest(deps: DemoDeps, emit: (event: ReliabilityEvent) => void, signal: AbortSignal): Promise<void> {
  const { surefoot, about, test } = deps
  const body = (question: string) => ({
    model: about.model,
    messages: [{ role: 'user', content: question }],
    options: { num_predict: test.tokens, temperature: 0 },
  })
  const url = about.backends[0]?.url ?? ''
  return runReliabilityTest(
    {
      questions: QUESTIONS,
      patienceMs: test.patienceMs,
      warmUp: () =>
        throughSurefoot(() =>
          surefoot.chat({ ...body('Hello!'), options: { num_predict: 1 } }, { signal, cache: false }),
        ),
      straight: (question, patienceMs, inner) => askStraight({ url, body: body(question), patienceMs, signal: inner }),
      surefoot: (question, inner) =>
        throughSurefoot(() => surefoot.chat(body(question), { signal: inner, cache: false })),
    },
    emit,
    signal,
  )
}

/** Whole is what a model has said: the one that was asked, or another one in its place. */
async function throughSurefoot(ask: () => Promise<ChatAnswer>): Promise<TestOutcome> {
  const startedAtMs = performance.now()
  try {
    const answer = await ask()
    const tookMs = performance.now() - startedAtMs
    if (answer.served === 'model') return { ok: true, tookMs }
    if (answer.served === 'degraded') return { ok: true, tookMs, otherModel: answer.model }
    return { ok: false, tookMs, problem: `Not answered by a model (${answer.reason ?? answer.served}).` }
  } catch (error) {
    const problem = SurefootError.is(error) ? error.message : String(error)
    return { ok: false, tookMs: performance.now() - startedAtMs, problem }
  }
}

async function withRestarts(
  { faults, test }: DemoDeps,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (faults.mode !== 'refuse') return await run(signal)
  const done = new AbortController()
  const restarts = restartUntil(faults, test.restartMs, done.signal)
  try {
    await run(signal)
  } finally {
    done.abort()
    await restarts
    await faults.set('refuse')
  }
}

async function restartUntil(faults: FaultSwitch, periodMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(periodMs, undefined, { signal }).catch(() => undefined)
    await faults.set(faults.mode === 'refuse' ? 'none' : 'refuse')
  }
}

async function readMode(context: Context): Promise<BreakMode | undefined> {
  const { mode: wanted } = (await readJson(context)) as { mode?: unknown }
  return BREAK_MODES.find((mode) => mode === wanted)
}

async function readJson(context: Context): Promise<object> {
  const body: unknown = await context.req.json().catch(() => undefined)
  return typeof body === 'object' && body !== null ? body : {}
}
