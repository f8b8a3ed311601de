import type { Config } from '@surefoot/core'

import type { CallBook } from '../callers/call-book.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import type { ModelledConnection } from '../wire/modelled-connection.ts'
import { AttemptChecks } from './attempt-checks.ts'
import { BreakerChecks } from './breaker-checks.ts'
import type { CapabilityCheck, SeenRequest } from './capability-check.ts'
import type { BreakerEvent } from './breaker-checks.ts'
import { LoadChecks, isLoad } from './load-checks.ts'
import { QueueChecks } from './queue-checks.ts'
import type { Report } from './violation.ts'
import { readWireRequest } from './wire-request.ts'

/** Loads and canaries go through the same sockets as calls, beside the slots. */
const SPARE_SOCKETS = 4

/** What watches a wire is made with. */
export interface WireObserverDeps {
  readonly config: Config
  readonly ollamas: readonly ModelledOllama[]
  readonly nowMs: () => number
  readonly calls: CallBook
  /** Those of the capabilities that are configured. */
  readonly checks: readonly CapabilityCheck[]
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
  /** Requests to models that are under way. */
  readonly #open = new Map<Exchange, SeenRequest>()
  readonly #listeners: ((backend: number) => void)[] = []

  constructor(deps: WireObserverDeps) {
    const { config, nowMs, report, soon, calls } = deps
    const slots = config.slots === 'auto' ? undefined : config.slots
    this.#deps = deps
    const asksAgain = config.contextGuard && calls.isMarked
    this.#attempts = new AttemptChecks({ ...config, slots, asksAgain }, nowMs, report)
    this.#breakers = new BreakerChecks(config.breakerThreshold, calls.isMarked, nowMs, report, soon)
    this.loads = new LoadChecks(config.timeoutMs, nowMs, report)
    const hasOneLine = config.degradeModels.length === 0 && config.experiments.length === 0
    this.queues = new QueueChecks(nowMs, report, soon, hasOneLine)
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

  /** Requests to models that are under way. */
  get open(): ReadonlySet<SeenRequest> {
    return new Set(this.#open.values())
  }

  dispatched(exchange: Exchange, { ollama, inFlight }: ModelledConnection): void {
    const { config, ollamas, calls, report, note } = this.#deps
    const index = ollamas.indexOf(ollama)
    if (inFlight > config.poolMaxSize + SPARE_SOCKETS) report('I3', `${inFlight} requests at once for one pool`)
    const request = readWireRequest(exchange, calls.isMarked)
    const id = request?.callId
    const call = id === undefined ? undefined : calls.byId(id)
    // The lease of an attempt to go on with a stream is older than its request: a proof may have come in between.
    const isFirst = id !== undefined && (call?.seen ?? 0) === 0 && request?.isContinued !== true
    this.#breakers.dispatched(ollama.options.url, exchange, isFirst)
    this.loads.dispatched(exchange, ollama)
    if (request === undefined) return note('request', index, requestWords(exchange))
    const seen: SeenRequest = { exchange, request, call, ollama }
    if (id === undefined) note(request.isCopy ? 'copy' : 'request', index, requestWords(exchange))
    else this.#attempt(id, seen, index)
    if (this.#deps.checks.length > 0) {
      const { open } = this
      for (const check of this.#deps.checks) check.dispatched?.(seen, open)
    }
    if (call !== undefined || request.isCopy) this.#open.set(exchange, seen)
  }

  ended(exchange: Exchange, { ollama }: ModelledConnection, how: ExchangeEnd): void {
    const { ollamas, nowMs, calls, checks } = this.#deps
    const index = ollamas.indexOf(ollama)
    const seen = this.#open.get(exchange)
    const call = seen?.call
    this.#open.delete(exchange)
    this.loads.ended(exchange, ollama)
    // What nobody waits for any more may be no failure, for whatever reason it ends.
    const waiting = call && calls.waitingFor(call)
    const isWaitedFor = call === undefined || waiting !== undefined
    this.#breakers.ended(ollama.options.url, exchange, how, isWaitedFor && nowMs() < (waiting?.deadlineAtMs ?? 0))
    if (seen !== undefined) for (const check of checks) check.ended?.(seen, how)
    if (seen === undefined || call === undefined)
      return this.#deps.note(`request ${how}`, index, requestWords(exchange))
    this.#deps.note(`attempt ${how}`, call.id, index)
    this.queues.ended(call, exchange)
    this.#attempts.ended(call, exchange, how, ollama, seen.request.model)
  }

  #attempt(id: number, seen: SeenRequest, index: number): void {
    const { ollamas, calls, report, note } = this.#deps
    const { call, exchange, ollama, request } = seen
    const { model, isContinued } = request
    note('attempt', id, index)
    if (call === undefined) return report('I4', `call ${id}: an attempt after its end`)
    call.attempts++
    const waiting = calls.waitingFor(call)
    this.queues.dispatched(call, exchange, waiting?.deadlineAtMs ?? call.deadlineAtMs)
    const [sameModel, isOnly] = [this.#ofModel(ollama, model), ollamas.length === 1]
    this.#attempts.dispatched({ call, waiting, exchange, model, sameModel, ollama, isOnly, isContinued })
    for (const listener of this.#listeners) listener(index)
  }

  /** A call is answered, or its stream has begun. */
  succeeded(): void {
    this.#attempts.succeeded()
  }

  /** Attempts of one model under way there, and the one that begins now. */
  #ofModel(ollama: ModelledOllama, model: string): number {
    let sum = 1
    for (const { exchange, request, ollama: other } of this.#open.values()) {
      if (other === ollama && exchange.started && request.model === model) sum++
    }
    return sum
  }
}

/** What a request is that no caller caused: a load, or a question of core's own. */
function requestWords(exchange: Exchange): string {
  const { path, body } = exchange
  return body === null ? path : `${path} ${isLoad(exchange) ? 'load' : 'question'}`
}
