import type { Config, TelemetryEvent } from '@surefoot/core'
import type { ChatAnswer } from '@surefoot/protocol'

import type { CallBook } from '../callers/call-book.ts'
import type { CallRecord } from '../callers/call-record.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { CapabilityCheck, SeenRequest } from './capability-check.ts'
import type { Report } from './violation.ts'

/** Why no backend could be asked. */
const NOT_READY: ReadonlySet<string> = new Set(['BREAKER_OPEN', 'CANNOT_CONNECT'])
/** So long after its return a backend is used again. */
const BACK_WITHIN_MS = 2_000
/** It is waited for by calls that went another way as it was not there, for so long. */
const MISSED_MS = 20_000
/** Whatever else befell a backend may still be held against it for so long. */
const HELD_AGAINST_MS = 180_000
/** With so little memory an answer may be gone before its time. */
const FEW_BYTES = 1_000_000
/** How long Ollama keeps a model by itself. */
const USUAL_KEEP_ALIVE_MS = 300_000
/** What ends as if it had never been. */
const LEAVES_NOTHING =
  /^(flood|quiet|restart|all restart|started|killed|frozen|unreachable|takes no connection)( ends)?$/

/** What I12 goes by. */
export interface LadderChecksDeps {
  readonly config: Pick<
    Config,
    | 'degradeModels'
    | 'degradeToCache'
    | 'cacheMaxBytes'
    | 'fallbackMessage'
    | 'patienceMs'
    | 'model'
    | 'earlyClose'
    | 'experiments'
  >
  readonly calls: CallBook
  readonly ollamas: readonly ModelledOllama[]
  readonly nowMs: () => number
  readonly report: Report
  readonly soon: (work: () => void) => void
  readonly hasOlder: (call: CallRecord, models: readonly string[]) => boolean
}

/**
 * I12: what an answer says of how it came about is true; nobody is sent down the ladder without need, or past a rung; and
 * back to the first model within 2 s of its return.
 */
export class LadderChecks implements CapabilityCheck {
  readonly #deps: LadderChecksDeps
  /** Since when nothing is wrong with a backend. */
  readonly #wellSinceMs: number[]
  /** Until when what befell it may be held against it. */
  readonly #heldUntilMs: number[] = []
  /** When calls were last sent away from a model as no backend was there. */
  readonly #missedAtMs = new Map<string, number[]>()
  /** Backends that one call at a time may try: it may have to load the model first. */
  readonly #probed = new Set<string>()
  /** From now on all is well. */
  isWell = false

  constructor(deps: LadderChecksDeps) {
    this.#deps = deps
    this.#wellSinceMs = deps.ollamas.map(() => 0)
  }

  answered(call: CallRecord, answer: ChatAnswer): void {
    const { report, config, hasOlder } = this.#deps
    const { served, reason, model, variant } = answer
    const asked = this.#askedModel(call)
    const rungs = [asked, ...config.degradeModels.filter((each) => each !== asked && this.#exists(each))]
    const left = call.leftRungs.findLast(({ rung }) => rung === asked)
    const says = `call ${call.id} says that it was answered by ${served} (${model}), because of ${reason}`
    const wrong = (what: string): void => report('I12', `${says}: ${what}`)
    if (served === 'model' || (served === 'cache' && reason === undefined)) {
      if (reason !== undefined) wrong('there is no reason')
      if (variant === undefined && model !== asked) wrong(`${asked} was asked for`)
      return
    }
    if (left === undefined) return wrong(`${asked} was not tried in vain`)
    if (reason !== left.code) wrong(`it was ${left.code}`)
    const place = served === 'degraded' ? rungs.indexOf(model, 1) : rungs.length
    if (place < 0) return wrong('it is no model of the ladder')
    for (const rung of rungs.slice(0, place)) {
      if (!call.leftRungs.some((each) => each.rung === rung)) wrong(`${rung} was not asked`)
    }
    if (served === 'degraded') return
    if (reason === 'CONTEXT_OVERFLOW') wrong('a prompt that is too long cannot be talked over')
    // Neither which variant another caller's answer is from nor what had to make room can be told from here.
    const isTold = config.experiments.length === 0 && config.cacheMaxBytes > FEW_BYTES
    if (served === 'fallback' && config.degradeToCache && isTold && hasOlder(call, rungs)) {
      wrong('there was an older answer')
    }
  }

  told(event: TelemetryEvent, open: ReadonlySet<SeenRequest>): void {
    if (event.type === 'breaker-half-open') this.#probed.add(event.backend)
    if (event.type === 'breaker-open' || event.type === 'breaker-closed') this.#probed.delete(event.backend)
    if (event.type !== 'rung-leave') return
    const { rung, code } = event
    const call = this.#deps.calls.open.get(Number(event.id))
    // Of a call that takes part in an experiment its variant may be asked, which is somewhere else.
    if (call === undefined || !this.#exists(rung) || this.#isTried(rung)) return
    if (NOT_READY.has(code)) this.#notReady(call, rung, code)
    else if (code === 'QUEUE_TIMEOUT' && this.isWell) this.#impatient(call, rung, open)
  }

  befell(what: string, backend: number): void {
    const { ollamas, soon, nowMs } = this.#deps
    const untilMs = nowMs() + HELD_AGAINST_MS
    if (!LEAVES_NOTHING.test(what) && ollamas[backend] !== undefined) this.#heldUntilMs[backend] = untilMs
    soon(() => this.#look())
  }

  #look(): void {
    const nowMs = this.#deps.nowMs()
    for (const [index, ollama] of this.#deps.ollamas.entries()) {
      if (!ollama.isWell) this.#wellSinceMs[index] = Number.POSITIVE_INFINITY
      else if (this.#wellSinceMs[index] === Number.POSITIVE_INFINITY) this.#wellSinceMs[index] = nowMs
    }
  }

  #notReady({ id }: CallRecord, rung: string, code: string): void {
    const { nowMs, ollamas, config, report } = this.#deps
    this.#look()
    const atMs = nowMs()
    const missed = this.#missedAtMs.get(rung) ?? []
    for (const [index, ollama] of ollamas.entries()) {
      const sinceMs = this.#wellSinceMs[index] as number
      if (!hasModel(ollama, rung) || atMs - sinceMs < BACK_WITHIN_MS) continue
      if (this.#probed.has(ollama.options.url) || atMs < (this.#heldUntilMs[index] ?? 0)) continue
      const wasMissed = missed.some((eachMs) => eachMs >= sinceMs - MISSED_MS && eachMs <= sinceMs + BACK_WITHIN_MS / 2)
      if (!this.isWell && !(wasMissed && config.earlyClose)) continue
      const forMs = Math.round(atMs - sinceMs)
      report('I12', `call ${id} goes past ${rung} (${code}), though ${ollama.options.url} is back since ${forMs} ms`)
    }
    this.#missedAtMs.set(rung, [...missed.filter((eachMs) => eachMs > atMs - 2 * HELD_AGAINST_MS), atMs].slice(-200))
  }

  /** It is told that its wait would be too long. */
  #impatient(call: CallRecord, rung: string, open: ReadonlySet<SeenRequest>): void {
    const { nowMs, config, ollamas, report } = this.#deps
    const waitedMs = nowMs() - call.startedMs
    if (waitedMs >= Math.min(config.patienceMs, (call.deadlineAtMs - call.startedMs) / 2)) return
    const busy = new Set([...open].map(({ ollama }) => ollama))
    // Where contexts grow it may have to be loaded anew, and what is kept for a short time may be believed to be gone.
    const idle = ollamas.find(
      (ollama) => hasModel(ollama, rung) && !isUncertain(ollama) && ollama.hasInMemory(rung) && !busy.has(ollama),
    )
    if (idle === undefined) return
    report('I12', `call ${call.id} goes past ${rung} after ${Math.round(waitedMs)} ms, and ${idle.options.url} is idle`)
  }

  #askedModel({ question }: CallRecord): string {
    return question.model ?? this.#deps.config.model
  }

  #isTried(model: string): boolean {
    const { experiments, model: usual } = this.#deps.config
    return experiments.some((experiment) => (experiment.model ?? usual) === model)
  }

  #exists(model: string): boolean {
    return this.#deps.ollamas.some((ollama) => hasModel(ollama, model))
  }
}

function hasModel({ options }: ModelledOllama, model: string): boolean {
  return options.models.some(({ name }) => name === model)
}

function isUncertain({ options: { models, keepAliveMs } }: ModelledOllama): boolean {
  return keepAliveMs < USUAL_KEEP_ALIVE_MS || models.some(({ context }) => context !== undefined)
}
