import type { Experiment } from '@surefoot/core'
import type { ChatAnswer, SurefootError } from '@surefoot/protocol'

import type { CallBook } from '../callers/call-book.ts'
import type { CallRecord } from '../callers/call-record.ts'
import type { CapabilityCheck, SeenRequest } from './capability-check.ts'
import type { Report } from './violation.ts'

/** A copy may be in the way of a call for so long: what a cancel takes. */
const CANCEL_MS = 500

/** What I13 goes by. */
export interface ExperimentChecksDeps {
  readonly experiment: Experiment
  /** Calls for this model take part. */
  readonly model: string
  readonly calls: CallBook
  readonly nowMs: () => number
  readonly report: Report
  readonly after: (delayMs: number, work: () => void) => void
}

/**
 * I13: a key stays with its variant, and its model is asked; a copy begins only where nothing else runs while no call waits,
 * is gone soon when one does, and nobody is told of it.
 */
export class ExperimentChecks implements CapabilityCheck {
  readonly #deps: ExperimentChecksDeps
  /** The model of each key. */
  readonly #modelOfKey = new Map<string, string>()

  constructor(deps: ExperimentChecksDeps) {
    this.#deps = deps
  }

  dispatched({ call, request, ollama }: SeenRequest, open: ReadonlySet<SeenRequest>): void {
    if (call !== undefined) return this.#asked(call, request.model)
    if (!request.isCopy) return
    const { experiment, report, calls, nowMs } = this.#deps
    const { model } = request
    if (model !== experiment.shadow?.model) report('I13', `a copy is sent to ${model}`)
    for (const { id, queuedSinceMs, leftAtMs, seen } of calls.open.values()) {
      // A stream that has begun waits for whoever can go on with it: nobody else could give it its place.
      if (seen > 0) continue
      if (leftAtMs !== undefined || queuedSinceMs === undefined || queuedSinceMs >= nowMs()) continue
      report('I13', `a copy begins while call ${id} waits`)
      break
    }
    const { url } = ollama.options
    const beside = [...open].find((other) => other.ollama === ollama && other.call !== undefined)
    if (beside !== undefined) report('I13', `a copy begins at ${url} beside call ${beside.call?.id}`)
  }

  queued({ id }: CallRecord, open: ReadonlySet<SeenRequest>): void {
    const copies = [...open].filter(({ request }) => request.isCopy)
    if (copies.length === 0) return
    this.#deps.after(CANCEL_MS, () => {
      if (copies.some(({ exchange }) => !exchange.ended))
        this.#deps.report('I13', `call ${id} waits and a copy goes on`)
    })
  }

  answered(call: CallRecord, { model, variant, served, reason }: ChatAnswer): void {
    if (!this.#takesPart(call) || reason !== undefined || served === 'degraded') return
    const { experiment, report } = this.#deps
    const own = experiment.variants.find(({ name }) => `${experiment.name}/${name}` === variant)
    if (own?.model !== model) report('I13', `call ${call.id} is answered by ${model} and says that it is ${variant}`)
    this.#stays(call, model)
  }

  failed({ id }: CallRecord, { message, hint }: SurefootError): void {
    const { model } = this.#deps.experiment.shadow ?? {}
    if (model === undefined || !`${message} ${hint}`.includes(model)) return
    this.#deps.report('I13', `call ${id} is told of the failure of a copy: ${message}`)
  }

  #asked(call: CallRecord, model: string): void {
    if (!this.#takesPart(call) || call.leftRungs.length > 0) return
    const { experiment, report } = this.#deps
    if (!experiment.variants.some((variant) => variant.model === model)) {
      report('I13', `call ${call.id} is sent to ${model}, which is no variant`)
    }
    this.#stays(call, model)
  }

  #stays({ id, question: { stickyKey, tenant } }: CallRecord, model: string): void {
    const key = stickyKey ?? tenant
    if (key === undefined) return
    const before = this.#modelOfKey.get(key) ?? model
    this.#modelOfKey.set(key, model)
    if (before !== model) this.#deps.report('I13', `call ${id} of ${key} is given ${model}, after ${before}`)
  }

  #takesPart({ question }: CallRecord): boolean {
    return (question.model ?? this.#deps.model) === (this.#deps.experiment.model ?? this.#deps.model)
  }
}
