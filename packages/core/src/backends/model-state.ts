import type { SurefootError } from '@surefoot/protocol'

import { BoundedMap } from './bounded-map.ts'

/**
 * Where one model is on one backend. `loading` also stands for a model in its very first generation: from outside the two
 * look alike.
 */
export type Residency = 'in-memory' | 'loading' | 'absent' | 'unknown'

/** Ollama keeps a model for 5 minutes after its last use; a little less is safe to rely on. */
const KEPT_IN_MEMORY_MS = 270_000
/** What `/api/ps` said is relied on for so long. */
const OBSERVED_MS = 30_000
/** The last backend of a model is tried again after 1, 2, 4 … 60 s, as with the breaker. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

interface Avoidance {
  readonly error: SurefootError
  readonly sinceMs: number
  readonly untilMs: number
  /** How often in a row it was found unable. */
  readonly strikes: number
}

/** Which models one backend has in memory, and which it cannot run: facts with an expiry, from answers and `/api/ps`. */
export class ModelStates {
  readonly #residency = new BoundedMap<string, { readonly is: Residency; readonly untilMs: number }>(MOST_MODELS)
  readonly #avoided = new BoundedMap<string, Avoidance>(MOST_MODELS)

  /** A token came: it is in memory, and it works. */
  produced(model: string, nowMs: number): void {
    this.#residency.set(model, { is: 'in-memory', untilMs: nowMs + KEPT_IN_MEMORY_MS })
    this.#avoided.delete(model)
  }

  /** `/api/ps` was read. */
  observed(model: string, is: Residency, nowMs: number): void {
    this.#residency.set(model, { is, untilMs: nowMs + OBSERVED_MS })
  }

  residency(model: string, nowMs: number): Residency {
    const known = this.#residency.get(model)
    return known !== undefined && known.untilMs > nowMs ? known.is : 'unknown'
  }

  /** It cannot run this model, or lacks it: not sent there for that long. */
  avoid(model: string, error: SurefootError, nowMs: number, forMs: number): void {
    const strikes = (this.#avoided.get(model)?.strikes ?? 0) + 1
    this.#avoided.set(model, { error, sinceMs: nowMs, untilMs: nowMs + forMs, strikes })
  }

  /** Nothing is held against the model any more: it was seen in the list of installed ones. */
  forgive(model: string): void {
    this.#avoided.delete(model)
  }

  /** Why it is not sent there now; the last backend of a model is tried sooner than one of several. */
  avoided(
    model: string,
    nowMs: number,
    isLast: boolean,
  ): { readonly error: SurefootError; readonly untilMs: number } | undefined {
    const avoidance = this.#avoided.get(model)
    if (avoidance === undefined) return undefined
    const early = avoidance.sinceMs + Math.min(FIRST_RETRY_MS * 2 ** (avoidance.strikes - 1), LONGEST_RETRY_MS)
    const untilMs = isLast ? Math.min(avoidance.untilMs, early) : avoidance.untilMs
    return untilMs > nowMs ? { error: avoidance.error, untilMs } : undefined
  }
}
