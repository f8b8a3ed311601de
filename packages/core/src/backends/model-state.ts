import type { SurefootError } from '@surefoot/protocol'

import { BoundedMap } from './bounded-map.ts'
import { isCloudModel } from './model-lists.ts'

/**
 * Where one model is on one backend. `loading` also stands for a model in its very first generation: from outside the two
 * look alike.
 */
export type Residency = 'in-memory' | 'loading' | 'absent' | 'unknown'

/**
 * Whether an attempt for a model may go to a backend now. `ready`: it is in memory, or nothing is known although it was
 * asked, so that a try will tell. `absent`: it has to be loaded first. `unknown`: never looked, or too long ago.
 * `outgrown`: it has to be loaded anew with other options, after the attempts that were sent with those of before.
 */
export type Readiness = 'ready' | 'loading' | 'absent' | 'unknown' | 'outgrown'

/** Ollama keeps a model for 5 minutes after its last use; a little less is safe to rely on. */
const KEPT_IN_MEMORY_MS = 270_000
/** What `/api/ps` said is relied on for so long. */
const OBSERVED_MS = 30_000
/** A look that was in vain is not repeated within this time, whatever fails meanwhile. */
const IN_VAIN_MS = 1_000
/** The last backend of a model is tried again after 1, 2, 4 … 60 s, as with the breaker. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

interface Knowledge {
  readonly is: Residency
  readonly sinceMs: number
  readonly untilMs: number
}

interface Avoidance {
  readonly error: SurefootError
  readonly sinceMs: number
  readonly untilMs: number
  /** How often in a row it was found unable. */
  readonly strikes: number
}

/** Which models one backend has in memory, and which it cannot run: facts with an expiry, from answers and `/api/ps`. */
export class ModelStates {
  readonly #residency = new BoundedMap<string, Knowledge>(MOST_MODELS)
  readonly #avoided = new BoundedMap<string, Avoidance>(MOST_MODELS)
  readonly #producedAtMs = new BoundedMap<string, number>(MOST_MODELS)

  /** A token came: it is in memory, and it works. */
  produced(model: string, nowMs: number): void {
    this.#producedAtMs.set(model, nowMs)
    this.#inMemory(model, nowMs)
    this.#avoided.delete(model)
  }

  /** When an answer of it last began, on the monotonic clock; `undefined` when none ever did. */
  producedAtMs(model: string): number | undefined {
    return this.#producedAtMs.get(model)
  }

  /** A load of ours ended well: it is in memory. */
  loaded(model: string, nowMs: number): void {
    this.#inMemory(model, nowMs)
  }

  /**
   * `/api/ps` was read. What was learnt after the reading had begun is newer.
   *
   * @param is `unknown` when the look failed: then it counts as asked, and is not asked again at once.
   */
  observed(model: string, is: Residency, nowMs: number, readSinceMs: number = nowMs): void {
    if (isCloudModel(model)) return
    const known = this.#residency.get(model)
    if (known !== undefined && known.sinceMs > readSinceMs) return
    // A token is worth more than a look, and is relied on for longer.
    const untilMs = is === 'in-memory' && known?.is === 'in-memory' ? known.untilMs : 0
    this.#residency.set(model, { is, sinceMs: nowMs, untilMs: Math.max(untilMs, nowMs + OBSERVED_MS) })
  }

  /** Where the model is cannot be found out now: calls go there and see, until it is time for another look. */
  asked(model: string, nowMs: number): void {
    this.#residency.set(model, { is: 'unknown', sinceMs: nowMs, untilMs: nowMs + OBSERVED_MS })
  }

  /** The backend restarted, or may have: nothing of what was known is (F24). */
  forget(): void {
    this.#residency.clear()
  }

  /**
   * The runner of this model died; without a name, those of all (F7, F9, F24): what is believed to be in memory is not. That a look was
   * in vain is remembered for another second, so that a backend that is away is not looked at for each call it refuses.
   */
  lost(model: string | undefined, nowMs: number): void {
    for (const name of model === undefined ? this.known : [model]) {
      const known = this.#known(name, nowMs)
      if (known?.is !== 'unknown') this.#residency.delete(name)
      else this.#residency.set(name, { ...known, untilMs: Math.min(known.untilMs, nowMs + IN_VAIN_MS) })
    }
  }

  residency(model: string, nowMs: number): Residency {
    return this.#known(model, nowMs)?.is ?? 'unknown'
  }

  /** What the residency means for a call; whether a load is under way is known elsewhere. */
  readiness(model: string, nowMs: number): Readiness {
    if (isCloudModel(model)) return 'ready'
    const known = this.#known(model, nowMs)
    if (known === undefined) return 'unknown'
    return known.is === 'in-memory' || known.is === 'unknown' ? 'ready' : 'absent'
  }

  /** The models of which anything is known. */
  get known(): readonly string[] {
    return [...this.#residency.keys()]
  }

  /**
   * A model that is in memory as far as is known, for a question that must not load one: the one that last produced
   * something, if any, as one that only makes embeddings refuses every question without having tried.
   */
  inMemory(nowMs: number): string | undefined {
    let found: string | undefined
    let foundAtMs = Number.NEGATIVE_INFINITY
    for (const [model, { is, untilMs }] of this.#residency) {
      if (is !== 'in-memory' || untilMs <= nowMs || isCloudModel(model)) continue
      const atMs = this.#producedAtMs.get(model) ?? Number.NEGATIVE_INFINITY
      if (found !== undefined && atMs <= foundAtMs) continue
      found = model
      foundAtMs = atMs
    }
    return found
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

  #inMemory(model: string, nowMs: number): void {
    this.#residency.set(model, { is: 'in-memory', sinceMs: nowMs, untilMs: nowMs + KEPT_IN_MEMORY_MS })
  }

  #known(model: string, nowMs: number): Knowledge | undefined {
    const known = this.#residency.get(model)
    return known !== undefined && known.untilMs > nowMs ? known : undefined
  }
}
