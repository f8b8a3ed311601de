import { ExponentialBackoff, noJitterGenerator } from 'cockatiel'
import type { IBackoff } from 'cockatiel'

import type { Config } from '../../config/config.ts'
import type { Verdict } from '../../outcome/verdict.ts'

/** The settings it goes by. */
export type RetryOptions = Pick<Config, 'maxRetries' | 'retryDelayMs' | 'maxRetryDelayMs' | 'jitter' | 'promptRetry'>

/** What the decision depends on besides the verdict. */
export interface Situation {
  /** Another backend would take the call now. */
  readonly hasOther: boolean
  /** Until one of the backends that may be asked again wants to be, in milliseconds. */
  readonly restMs: number
  /** Until the deadline. */
  readonly leftMs: number
  /** In [0, 1). */
  readonly random: number
}

/** Try again after a wait, or not at all. */
export type Decision =
  | { readonly retry: true; readonly waitMs: number; readonly costly: boolean }
  | { readonly retry: false }

/** Waits after failures that cost nothing grow to this many times the first one, not further: 1, 2, 4, 4 … */
const LONGEST_CHEAP_WAIT = 4

/**
 * The ladder of one call: after each failure it decides whether and when to try again.
 *
 * Failures that cost the backend work are bounded by `maxRetries`; those that cost nothing are tried on until the
 * deadline. The first retry goes at once, the next waits 1, 2, 4 … s. Source: DESIGN "Failures, breaker, budget".
 */
export class RetryLadder {
  readonly #options: RetryOptions
  #backoff: IBackoff<unknown>
  #counted = 0
  #hurried = false

  constructor(options: RetryOptions) {
    this.#options = options
    this.#backoff = new ExponentialBackoff({
      generator: noJitterGenerator,
      initialDelay: options.retryDelayMs,
      maxDelay: options.maxRetryDelayMs,
      exponent: 2,
    }).next()
  }

  decide(verdict: Verdict, { hasOther, restMs, leftMs, random }: Situation): Decision {
    if (verdict.retry === 'never' || (verdict.retry === 'elsewhere' && !hasOther)) return { retry: false }
    const decision = this.#decide(verdict, restMs, hasOther, random)
    return decision.retry && decision.waitMs < leftMs ? decision : { retry: false }
  }

  #decide(verdict: Verdict, restMs: number, hasOther: boolean, random: number): Decision {
    // A model that this backend lacks is no failed try: the next one has it or not.
    if (verdict.class === 'missing') return { retry: true, waitMs: restMs, costly: false }
    const counts = !verdict.cheap || !this.#options.promptRetry
    if (counts && ++this.#counted > this.#options.maxRetries) return { retry: false }
    return { retry: true, waitMs: this.#waitMs(verdict, restMs, hasOther, random), costly: !verdict.cheap }
  }

  #waitMs(verdict: Verdict, restMs: number, hasOther: boolean, random: number): number {
    // What this backend asked for is no reason to keep another one waiting.
    const mayHurry = verdict.prompt || (hasOther && restMs === 0)
    const hurry = this.#options.promptRetry && !this.#hurried && mayHurry
    this.#hurried = true
    return hurry ? restMs : Math.max(restMs, this.#nextWaitMs(verdict.cheap, random))
  }

  #nextWaitMs(cheap: boolean, random: number): number {
    const { retryDelayMs, maxRetryDelayMs, jitter, promptRetry } = this.#options
    const nominal = this.#backoff.duration
    this.#backoff = this.#backoff.next(undefined)
    const bounded = cheap && promptRetry ? Math.min(nominal, retryDelayMs * LONGEST_CHEAP_WAIT) : nominal
    return Math.min(bounded * (1 + jitter * (2 * random - 1)), maxRetryDelayMs)
  }
}
