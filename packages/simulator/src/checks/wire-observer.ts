import type { Config } from '@surefoot/core'

import { questionIn } from '../callers/call-record.ts'
import type { CallRecord } from '../callers/call-record.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import type { ModelledConnection } from '../wire/modelled-connection.ts'
import { AttemptChecks } from './attempt-checks.ts'
import { BreakerChecks } from './breaker-checks.ts'
import type { BreakerEvent } from './breaker-checks.ts'
import { LoadChecks, isLoad } from './load-checks.ts'
import { QueueChecks } from './queue-checks.ts'
import type { Report } from './violation.ts'

/** Loads and canaries go through the same sockets as calls, beside the slots. */
const SPARE_SOCKETS = 4

/** What watches a wire is made with. */
export interface WireObserverDeps {
  readonly config: Config
  readonly ollamas: readonly ModelledOllama[]
  readonly nowMs: () => number
  /** The calls that have not ended. */
  readonly calls: ReadonlyMap<number, CallRecord>
  readonly report: Report
  /** Does something once all that happens now has happened. */
  readonly soon: (work: () => void) => void
  readonly note: (what: string, subject: number, detail?: string | number) => void
}

/** Sees every request and its end, knows whose it is, and holds I3 to I9 against it. */
export class WireObserver {
  readonly #deps: WireObserverDeps
  readonly #attempts: AttemptChecks
  readonly #breakers: BreakerChecks
  readonly loads: LoadChecks
  readonly queues: QueueChecks
  readonly #callOf = new WeakMap<Exchange, CallRecord>()
  readonly #open = new Map<ModelledOllama, Set<Exchange>>()
  readonly #listeners: ((backend: number) => void)[] = []

  constructor(deps: WireObserverDeps) {
    const { config, nowMs, report, soon } = deps
    const slots = config.slots === 'auto' ? undefined : config.slots
    this.#deps = deps
    this.#attempts = new AttemptChecks({ ...config, slots }, nowMs, report)
    this.#breakers = new BreakerChecks(config.breakerThreshold, report, soon)
    this.loads = new LoadChecks(config.timeoutMs, nowMs, report)
    this.queues = new QueueChecks(nowMs, report, soon)
  }

  /** Calls back for every attempt of a call, with the index of the backend. */
  onAttempt(listener: (backend: number) => void): void {
    this.#listeners.push(listener)
  }

  breakerChanged(event: BreakerEvent): void {
    const index = this.#deps.ollamas.findIndex(({ options }) => options.url === event.backend)
    this.#deps.note(event.type, index, event.reason)
    this.#breakers.changed(event)
  }

  dispatched(exchange: Exchange, { ollama, inFlight }: ModelledConnection): void {
    const { config, ollamas, calls, report, note } = this.#deps
    const index = ollamas.indexOf(ollama)
    if (inFlight > config.poolMaxSize + SPARE_SOCKETS) report('I3', `${inFlight} requests at once for one pool`)
    const id = isRender(exchange) ? undefined : questionIn(exchange.body)
    const call = id === undefined ? undefined : calls.get(id)
    // The lease of an attempt to go on with a stream is older than its request: a proof may have come in between.
    this.#breakers.dispatched(ollama.options.url, exchange, id !== undefined && (call?.seen ?? 0) === 0)
    this.loads.dispatched(exchange, ollama)
    if (id === undefined) return note('request', index, requestWords(exchange))
    note('attempt', id, index)
    if (call === undefined) return report('I4', `call ${id}: an attempt after its end`)
    call.attempts++
    this.queues.dispatched(call, exchange)
    const open = this.#openOn(ollama)
    this.#attempts.dispatched(call, exchange, this.#ofModel(open, call.question.model), ollama, ollamas.length === 1)
    this.#callOf.set(exchange, call)
    open.add(exchange)
    for (const listener of this.#listeners) listener(index)
  }

  ended(exchange: Exchange, { ollama }: ModelledConnection, how: ExchangeEnd): void {
    const { ollamas, nowMs } = this.#deps
    const index = ollamas.indexOf(ollama)
    const call = this.#callOf.get(exchange)
    this.loads.ended(exchange, ollama)
    // What nobody waits for any more may be no failure, for whatever reason it ends.
    const isWaitedFor =
      call?.leftAtMs === undefined && call?.outcome === undefined && nowMs() < (call?.deadlineAtMs ?? 0)
    this.#breakers.ended(ollama.options.url, exchange, how, isWaitedFor)
    if (call === undefined) return this.#deps.note(`request ${how}`, index, requestWords(exchange))
    this.#deps.note(`attempt ${how}`, call.id, index)
    this.#openOn(ollama).delete(exchange)
    this.queues.ended(call, exchange)
    this.#attempts.ended(call, exchange, how, ollama)
  }

  /** A call is answered, or its stream has begun. */
  succeeded(): void {
    this.#attempts.succeeded()
  }

  #openOn(ollama: ModelledOllama): Set<Exchange> {
    const known = this.#open.get(ollama) ?? new Set<Exchange>()
    this.#open.set(ollama, known)
    return known
  }

  /** Attempts of one model under way there, and the one that begins now. */
  #ofModel(open: ReadonlySet<Exchange>, model: string | undefined): number {
    let sum = 1
    for (const exchange of open) {
      if (exchange.started && this.#callOf.get(exchange)?.question.model === model) sum++
    }
    return sum
  }
}

/** It only asks how its prompt would read: a part of a proof. */
function isRender({ body }: Exchange): boolean {
  return body?.includes('"_debug_render_only":true') === true
}

/** What a request is that no caller caused: a load, or a question of core's own. */
function requestWords(exchange: Exchange): string {
  const { path, body } = exchange
  return body === null ? path : `${path} ${isLoad(exchange) ? 'load' : 'question'}`
}
