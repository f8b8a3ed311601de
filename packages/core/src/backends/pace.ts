import { BoundedMap } from './bounded-map.ts'

/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000
/** Weight of the latest in the running means. */
const WEIGHT = 0.2
/** A prompt of so many characters costs nothing worth counting beside the rest. */
const SMALL_PROMPT = 500
/** What one failure counts for, and how soon it is half forgotten. */
const FAILURE_MS = 5_000
const HALF_LIFE_MS = 60_000

interface ModelPace {
  /** Time to the first token of a small prompt, and what it takes beyond that for each character. */
  firstTokenMs: number
  msPerChar: number
  holdMs: number | undefined
}

/** How fast one backend is, as measured by its answers, and how often it has failed of late. */
export class Pace {
  readonly #models = new BoundedMap<string, ModelPace>(MOST_MODELS)
  #failures = 0
  #failedAtMs = 0

  /** A first token came so long after its request, with the model in memory and nothing before it. */
  firstToken(model: string, tookMs: number, promptLength: number): void {
    const known = this.#models.get(model)
    if (known === undefined) {
      this.#models.set(model, { firstTokenMs: tookMs, msPerChar: 0, holdMs: undefined })
      return
    }
    if (promptLength <= SMALL_PROMPT) known.firstTokenMs += (tookMs - known.firstTokenMs) * WEIGHT
    else {
      const perChar = Math.max(0, tookMs - known.firstTokenMs) / promptLength
      known.msPerChar += (perChar - known.msPerChar) * WEIGHT
    }
  }

  /** An answer was whole after its slot was held for so long. */
  whole(model: string, heldMs: number): void {
    const known = this.#models.get(model)
    if (known !== undefined) known.holdMs = (known.holdMs ?? heldMs) + (heldMs - (known.holdMs ?? heldMs)) * WEIGHT
  }

  failed(nowMs: number): void {
    this.#failures = this.#failuresAt(nowMs) + 1
    this.#failedAtMs = nowMs
  }

  /**
   * What a call has to expect there, the smaller the better, in milliseconds: the time to the first token, half of the
   * time to the last, and a penalty for recent failures. What was never measured counts as fast, so that it is measured.
   */
  costMs(model: string, promptLength: number, nowMs: number): number {
    const known = this.#models.get(model)
    const penaltyMs = this.#failures === 0 ? 0 : this.#failuresAt(nowMs) * FAILURE_MS
    if (known === undefined) return penaltyMs
    return known.firstTokenMs + known.msPerChar * promptLength + 0.5 * (known.holdMs ?? 0) + penaltyMs
  }

  #failuresAt(nowMs: number): number {
    return this.#failures * 2 ** (-(nowMs - this.#failedAtMs) / HALF_LIFE_MS)
  }
}
