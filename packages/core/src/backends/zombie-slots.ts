import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Seat } from './parallel-limit.ts'

/**
 * Slots whose calls have left while their Ollama may still work on them (F39): they stay taken for a while, so that the
 * next call does not wait behind work for nobody.
 */
export class ZombieSlots {
  readonly #runtime: Runtime
  readonly #onFree: () => void
  readonly #timers = new Set<Timer>()

  constructor(runtime: Runtime, onFree: () => void) {
    this.#runtime = runtime
    this.#onFree = onFree
  }

  keep(seat: Seat, forMs: number): void {
    seat.left()
    const giveBack = (): void => {
      this.#timers.delete(timer)
      seat.giveBack(this.#runtime.clock.monotonicMs())
      this.#onFree()
    }
    const timer = this.#runtime.timers.set(forMs, giveBack, 'background')
    this.#timers.add(timer)
  }

  /** Nobody needs them any more. */
  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
