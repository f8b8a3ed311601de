import type { CallRecord } from '../callers/call-record.ts'
import type { Effort } from '../callers/effort.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import type { Report } from './violation.ts'

/** A failing status that came faster than this cost the backend nothing. */
const CHEAP_WITHIN_MS = 250
/** A stream that is resumed may cost this many attempts in all. */
const MOST_COSTLY_OF_STREAM = 8
/** What a retry after a costly failure takes from the budget, and going on with a stream; a success gives 1. */
const RETRY_COST = 5
const RESUME_COST = 1

/** What the wire shows and what core believes differ by so much: a success may be seen a moment sooner or later. */
const BUDGET_GRACE = 10
/** So many retries are paid for and still wait in the queue; the wire shows them later. */
const QUEUED_RETRIES = 4
/** So often a call is asked again with a larger context. */
const MOST_LARGER = 4
/** Core does not believe a Retry-After that is longer. */
const LONGEST_REST_MS = 30_000

/** What the checks go by. */
export interface AttemptLimits {
  readonly maxRetries: number
  /** Cheap failures do not count towards `maxRetries`. */
  readonly promptRetry: boolean
  /** Attempts of one model on one backend at a time; what is learnt may be one more than is there. */
  readonly slots: number | undefined
  /** The bucket; 0 is none. */
  readonly retryBudget: number
  /** Whoever needs a larger context asks again. */
  readonly asksAgain: boolean
}

/** An attempt that begins. */
export interface Attempt {
  /** Who began to ask. */
  readonly call: CallRecord
  /** Who waits for it, where that is somebody else by now. */
  readonly waiting: CallRecord | undefined
  readonly exchange: Exchange
  readonly model: string
  /** Attempts of its model that are under way there, this one included. */
  readonly sameModel: number
  readonly ollama: ModelledOllama
  /** There is no other backend that could be asked instead. */
  readonly isOnly: boolean
  /** It goes on with a half answer. */
  readonly isContinued: boolean
}

/** I3, I4 and I5, seen on the wire, which knows nothing of what core believes. */
export class AttemptChecks {
  readonly #limits: AttemptLimits
  readonly #report: Report
  readonly #nowMs: () => number
  readonly #begun = new WeakMap<Exchange, number>()
  #budget: number

  constructor(limits: AttemptLimits, nowMs: () => number, report: Report) {
    this.#limits = limits
    this.#budget = limits.retryBudget
    this.#nowMs = nowMs
    this.#report = report
  }

  /** An attempt begins. */
  dispatched(attempt: Attempt): void {
    const { call, exchange, model, sameModel, ollama, isOnly, isContinued } = attempt
    const waiting = attempt.waiting ?? call
    const effort = call.effortOf(model)
    effort.attempts++
    const nowMs = this.#nowMs()
    const { maxRetries, promptRetry, slots } = this.#limits
    this.#begun.set(exchange, nowMs)
    if (waiting.outcome !== undefined)
      this.#report('I4', `call ${call.id}: an attempt after its end (${waiting.outcome})`)
    if (waiting.leftAtMs !== undefined) this.#report('I4', `call ${call.id}: an attempt after its caller has left`)
    if (nowMs > waiting.deadlineAtMs) this.#report('I4', `call ${call.id}: an attempt after its deadline`)
    if (effort.foundWrong) this.#report('I4', `call ${call.id}: an attempt after a backend said it is wrong`)
    const hasBegun = isContinued || call.seen > 0
    const most = hasBegun ? MOST_COSTLY_OF_STREAM : 1 + maxRetries
    if (effort.costly >= most) this.#report('I4', `call ${call.id}: more than ${most} attempts that cost work`)
    const mostAttempts = 1 + maxRetries + (this.#limits.asksAgain ? MOST_LARGER : 0)
    if (!promptRetry && effort.attempts > mostAttempts)
      this.#report('I4', `call ${call.id}: ${effort.attempts} attempts`)
    if (effort.costly > 0 && effort.attempts > 1) this.#charge(call, effort, hasBegun)
    if (isOnly && nowMs < (effort.restUntilMs.get(ollama.options.url) ?? 0)) {
      this.#report('I4', `call ${call.id}: ${ollama.options.url} is asked before the time of its Retry-After`)
    }
    const mostAtOnce = slots ?? ollama.options.slots + 1
    if (sameModel > mostAtOnce) {
      this.#report('I3', `${ollama.options.url} has ${sameModel} calls of one model and ${mostAtOnce} slots`)
    }
  }

  /** A call is answered, or its stream has begun: that gives back to the budget, once a call. */
  succeeded(): void {
    this.#budget = Math.min(this.#limits.retryBudget + QUEUED_RETRIES * RETRY_COST, this.#budget + 1)
  }

  ended(call: CallRecord, exchange: Exchange, how: ExchangeEnd, ollama: ModelledOllama, model: string): void {
    const { retryAfterMs } = exchange
    if (retryAfterMs !== undefined && how === 'status') {
      call.effortOf(model).restUntilMs.set(ollama.options.url, this.#nowMs() + Math.min(retryAfterMs, LONGEST_REST_MS))
    }
    if (exchange.wasWrong && how === 'status') call.effortOf(model).foundWrong = true
    else if (exchange.overflow === undefined && this.#wasCostly(exchange, how)) call.effortOf(model).costly++
  }

  #wasCostly(exchange: Exchange, how: ExchangeEnd): boolean {
    const tookMs = this.#nowMs() - (this.#begun.get(exchange) ?? 0)
    switch (how) {
      case 'refused':
        return false
      case 'cut':
        return exchange.status !== 0
      case 'status':
        return tookMs > CHEAP_WITHIN_MS
      case 'whole':
        return !exchange.wasAnswered
      case 'aborted':
        // Core cut it because of what came or did not come; a caller that leaves costs no retry.
        return exchange.reason?.name === 'AttemptFailure'
    }
  }

  #charge(call: CallRecord, effort: Effort, hasBegun: boolean): void {
    // Only the latest attempt decides what this retry costs, and it has just ended.
    if (effort.charged === effort.costly) return
    effort.charged = effort.costly
    this.#budget -= hasBegun ? RESUME_COST : RETRY_COST
    const { retryBudget } = this.#limits
    if (retryBudget > 0 && this.#budget < -BUDGET_GRACE) {
      this.#report('I5', `call ${call.id} is tried again though the budget is used up`)
    }
  }
}
