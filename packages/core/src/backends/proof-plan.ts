import type { Runtime, Timer } from '../runtime/runtime.ts'
import { BoundedMap } from './bounded-map.ts'

/** After an answer of a model its backend is given so much time to fall idle before its proof. */
const AFTER_MS = 2_000
/** A proof that could not be made is tried again after 2, 4, 8 … s, when the model has answered once more. */
const LONGEST_PAUSE_MS = 300_000
/** Proofs whose pauses are remembered at the most; names come from callers. */
const MOST_NAMES = 1_000

/** When a proof that nobody waits for is made: a moment after an answer, and less and less often where it fails. */
export class ProofPlan {
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly #planned = new Map<string, Timer>()
  readonly #pauses = new BoundedMap<string, { readonly untilMs: number; readonly nextMs: number }>(MOST_NAMES)

  constructor(runtime: Pick<Runtime, 'clock' | 'timers'>) {
    this.#runtime = runtime
  }

  /** An answer has come that a proof could follow. */
  answered(key: string, prove: () => void): void {
    const { clock, timers } = this.#runtime
    if (this.#planned.has(key) || (this.#pauses.get(key)?.untilMs ?? 0) > clock.monotonicMs()) return
    const fire = (): void => {
      this.#planned.delete(key)
      prove()
    }
    this.#planned.set(key, timers.set(AFTER_MS, fire, 'background'))
  }

  failed(key: string): void {
    const pauseMs = this.#pauses.get(key)?.nextMs ?? AFTER_MS
    const nextMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    this.#pauses.set(key, { untilMs: this.#runtime.clock.monotonicMs() + pauseMs, nextMs })
  }

  succeeded(key: string): void {
    this.#pauses.delete(key)
  }

  close(): void {
    for (const timer of this.#planned.values()) timer.cancel()
    this.#planned.clear()
  }
}
