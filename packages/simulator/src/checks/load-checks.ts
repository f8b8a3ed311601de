import { CallerLeft } from '../callers/make-call.ts'
import { QUESTION } from '../callers/prompt.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { Report } from './violation.ts'

/** After the longest silence it has been found out that a model is being loaded; the look takes a moment. */
const LOOK_MS = 5_000

/** I7, for what callers share here: the load of a model. */
export class LoadChecks {
  readonly #silenceMs: number
  readonly #nowMs: () => number
  readonly #report: Report
  readonly #open = new Map<ModelledOllama, Exchange>()

  /** @param silenceMs the longest silence of a model in memory */
  constructor(silenceMs: number, nowMs: () => number, report: Report) {
    this.#silenceMs = silenceMs
    this.#nowMs = nowMs
    this.#report = report
  }

  dispatched(exchange: Exchange, ollama: ModelledOllama): void {
    if (!isLoad(exchange)) return
    const other = this.#open.get(ollama)
    if (other !== undefined) this.#report('I7', `${ollama.options.url} is asked for two loads at once`)
    this.#open.set(ollama, exchange)
  }

  ended(exchange: Exchange, ollama: ModelledOllama): void {
    if (this.#open.get(ollama) === exchange) this.#open.delete(ollama)
  }

  /** A load was broken off as the caller whose attempt had caused it left; core itself may give up a stuck one. */
  brokenOff(exchange: Exchange, ollama: ModelledOllama, sinceMs: number): void {
    const forMs = this.#nowMs() - sinceMs
    const { reason, body } = exchange
    if (body?.includes(QUESTION) !== true) return
    if (!(reason instanceof CallerLeft) && reason?.name !== 'SurefootError') return
    if (forMs < this.#silenceMs + LOOK_MS) return
    this.#report('I7', `${ollama.options.url}: a load of ${Math.round(forMs / 1_000)} s was broken off with its caller`)
  }
}

/** A chat without a message only loads its model. */
export function isLoad({ body }: Exchange): boolean {
  return body?.includes('"messages":[]') === true
}
