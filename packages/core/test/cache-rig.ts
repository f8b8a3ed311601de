import { getEventListeners } from 'node:events'

import type { ChatAnswer, Priority, RunEvent } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'

import { AnswerCache } from '../src/answer-store/answer-cache.ts'
import { MemoryStore } from '../src/answer-store/memory-store.ts'
import type { SecondLevel } from '../src/answer-store/second-level.ts'
import { readConfig } from '../src/config/read-config.ts'
import type { SurefootConfig } from '../src/config/config.ts'
import { AnswerBuilder } from '../src/create-answer.ts'
import { AttemptFailure } from '../src/outcome/attempt-failure.ts'
import { classify } from '../src/outcome/classify.ts'
import { errorOf } from '../src/outcome/error-of.ts'
import type { Call, CallContext, CallEnd, Delta, Final, Reply, Service } from '../src/service.ts'
import { createTelemetry } from '../src/telemetry/telemetry.ts'
import type { TelemetryEvent } from '../src/telemetry/telemetry.ts'
import { WireDelta } from '../src/wire-delta.ts'
import { createCache } from '../src/layers/cache/cache.ts'

export const MESSAGES = [{ role: 'user', content: 'What is water?' }]
export const BASE = { model: 'llama3.2', created_at: '2026-11-23T03:31:41Z' }
const WORDS = ['Water', ' is', ' wet', '.']
/** What the model says. */
export const TEXT: string = WORDS.join('')
export const BROKEN = new AttemptFailure(
  classify({ kind: 'no-end-mark', gotToken: true }, { backend: 'http://a:1', model: 'llama3.2' }),
  'http://a:1',
)

const delta = (content: string): Delta =>
  WireDelta.printed({ ...BASE, message: { role: 'assistant', content }, done: false })
const finalOf = (more: object = {}): Final => {
  const chunk = {
    ...BASE,
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    eval_count: 4,
    ...more,
  }
  return { bytes: Buffer.from(JSON.stringify(chunk)), chunk }
}

/** How the model answers: so long to the first word, so long between words, so many of them, and then this. */
export interface Script {
  readonly firstMs?: number
  readonly wordMs?: number
  readonly words?: readonly string[]
  readonly breaksAfter?: number
  readonly refuses?: Error
  /** Attempts that were made before it was refused. */
  readonly attemptsBefore?: number
  readonly final?: object
}

/** One caller, as `runCall` treats it. */
export interface Caller {
  readonly controller: AbortController
  readonly events: RunEvent[]
  text: string
  answer: ChatAnswer | undefined
  error: unknown
  readonly done: Promise<void>
  listeners(): number
}

export interface AskOptions {
  readonly tenant?: string | undefined
  readonly buffered?: boolean
  readonly priority?: Priority
  readonly deadlineAtMs?: number
  readonly cache?: boolean
  readonly resume?: boolean
  readonly options?: Record<string, unknown>
  readonly question?: string
  readonly context?: Partial<CallContext>
  /** How long this reader takes for a word. */
  readonly readMs?: number
  /** Leaves after so many words, as `break` does. */
  readonly leavesAfter?: number
  /** What stands above finds fault with the answer. */
  readonly rejects?: boolean
}

/** The layer over a model that answers in virtual time. */
export function createCacheRig(
  given: SurefootConfig = {},
  script: Script | ((call: Call, nth: number) => Script) = {},
  second?: SecondLevel,
) {
  const time = createVirtualTime()
  const config = readConfig({ cache: true, ...given })
  const telemetry = createTelemetry()
  const told: TelemetryEvent[] = []
  telemetry.on((event) => told.push(event))
  const digests = new Map<string, string>()
  const answers = new AnswerCache(config, {
    runtime: time,
    telemetry,
    memory: new MemoryStore(config.cacheMaxBytes),
    second,
    digestOf: (model) => digests.get(model),
  })
  const runs: { call: Call; context: CallContext; cutAtMs?: number; pulled: number; ends: CallEnd[] }[] = []
  const next: Service = async (call, context) => {
    const run: (typeof runs)[number] = { call, context, pulled: 0, ends: [] }
    const nth = runs.push(run)
    const {
      firstMs = 100,
      wordMs = 100,
      words = WORDS,
      breaksAfter,
      refuses,
      attemptsBefore = 0,
      final,
    } = typeof script === 'function' ? script(call, nth) : script
    context.defer((end) => run.ends.push(end))
    const after = (ms: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const timer = time.timers.set(ms, resolve)
        context.signal.addEventListener('abort', () => {
          timer.cancel()
          run.cutAtMs ??= time.clock.monotonicMs()
          reject(context.signal.reason as Error)
        })
      })
    context.emit({ type: 'queued', position: 1, waitingFor: 'slot' })
    for (let attempt = 1; attempt <= attemptsBefore; attempt++) {
      context.emit({ type: 'attempt', attempt, backend: 'http://a:1' })
    }
    await after(firstMs / 2)
    if (refuses !== undefined) throw refuses
    context.emit({ type: 'attempt', attempt: context.attempt, backend: 'http://a:1' })
    await after(firstMs / 2)
    async function* body(): Reply['body'] {
      for (const [index, word] of words.entries()) {
        run.pulled++
        if (index === breaksAfter) throw BROKEN
        if (index > 0) await after(wordMs)
        yield delta(word)
      }
      return finalOf(final)
    }
    return { backend: 'http://a:1', body: body() }
  }
  const layer = createCache(config, { answers, runtime: time })(next)
  return {
    time,
    told,
    runs,
    answers,
    digests,
    ask(asked: AskOptions = {}): Caller {
      const { tenant, buffered = false, priority, cache, resume, options = { temperature: 0 }, readMs = 0 } = asked
      const { question = 'What is water?' } = asked
      const controller = new AbortController()
      const cleanups: ((end: CallEnd) => void)[] = []
      const caller: Caller = {
        controller,
        events: [],
        text: '',
        answer: undefined,
        error: undefined,
        done: Promise.resolve(),
        listeners: () => getEventListeners(controller.signal, 'abort').length,
      }
      const request = { model: 'llama3.2', messages: [{ role: 'user', content: question }], options, stream: true }
      const model = 'llama3.2'
      const digest = digests.get(model)
      const call: Call = { kind: 'chat', model, digest, request, buffered, tenant, priority, cache, resume }
      const context: CallContext = {
        id: `call-${Math.random()}`,
        signal: controller.signal,
        abort: (reason) => controller.abort(reason),
        startedAtMs: time.clock.monotonicMs(),
        deadlineAtMs: asked.deadlineAtMs ?? 900_000,
        attempt: 1,
        exclude: new Set(),
        emit: (event) => caller.events.push(event),
        defer: (cleanup) => cleanups.push(cleanup),
        ...asked.context,
      }
      const read = async (): Promise<ChatAnswer> => {
        const { body, backend, how } = await layer(call, context)
        const builder = new AnswerBuilder()
        for (let words = 0; ; words++) {
          if (words === asked.leavesAfter) {
            await body.return(undefined as never)
            throw new Error('left')
          }
          const { value, done } = await body.next()
          if (done === true) {
            if (asked.rejects === true) throw new Error('rejected')
            const attempts = caller.events.filter(({ type }) => type === 'attempt').length
            return builder.finish(value, { id: context.id, attempts, resumed: 0, backend, ...how })
          }
          caller.text += value.text
          builder.add(value)
          if (readMs > 0) await new Promise<void>((resolve) => void time.timers.set(readMs, resolve))
        }
      }
      const settled = read().then(
        (answer) => {
          caller.answer = answer
          for (const cleanup of cleanups) cleanup({ kind: 'answered', answer })
        },
        (error: unknown) => {
          caller.error = error
          for (const cleanup of cleanups) {
            cleanup(controller.signal.aborted ? { kind: 'aborted' } : { kind: 'failed', error: errorOf(error) })
          }
        },
      )
      return Object.assign(caller, { done: settled })
    },
    results: () => told.flatMap((event) => (event.type === 'cache' ? [event.result] : [])),
  }
}
