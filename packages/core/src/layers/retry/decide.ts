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
/** A Retry-After longer than this is not believed. */
const LONGEST_RETRY_AFTER_MS = 30_000

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

  decide(verdict: Verdict, { hasOther, leftMs, random }: Situation): Decision {
    if (verdict.retry === 'never' || (verdict.retry === 'elsewhere' && !hasOther)) return { retry: false }
    // A model that this backend lacks is no failed try: the next one has it or not.
    if (verdict.class === 'missing') return { retry: true, waitMs: 0, costly: false }
    const counts = !verdict.cheap || !this.#options.promptRetry
    if (counts && ++this.#counted > this.#options.maxRetries) return { retry: false }
    const waitMs = this.#waitMs(verdict, hasOther, random)
    return waitMs < leftMs ? { retry: true, waitMs, costly: !verdict.cheap } : { retry: false }
  }

  #waitMs(verdict: Verdict, hasOther: boolean, random: number): number {
    // What this backend asked for is no reason to keep another one waiting.
    const asked = hasOther ? 0 : Math.min(verdict.sameAfterMs ?? 0, LONGEST_RETRY_AFTER_MS)
    const hurry = this.#options.promptRetry && !this.#hurried && (verdict.prompt || hasOther)
    this.#hurried = true
    return hurry ? asked : Math.max(asked, this.#nextWaitMs(verdict.cheap, random))
  }

  #nextWaitMs(cheap: boolean, random: number): number {
    const { retryDelayMs, jitter, promptRetry } = this.#options
    const nominal = this.#backoff.duration
    this.#backoff = this.#backoff.next(undefined)
    const bounded = cheap && promptRetry ? Math.min(nominal, retryDelayMs * LONGEST_CHEAP_WAIT) : nominal
    return bounded * (1 + jitter * (2 * random - 1))
  }
}
