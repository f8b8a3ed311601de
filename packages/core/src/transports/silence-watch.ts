import type { Runtime, Timer } from '../runtime/runtime.ts'

/**
 * Tells when nothing was heard for a while. Hearing something costs one assignment; the timer is set again only when it
 * fires, not for every token.
 */
export class SilenceWatch {
  readonly #runtime: Runtime
  readonly #limitMs: () => number
  readonly #onSilent: (silentMs: number) => void
  #heardAtMs: number
  #timer: Timer

  /** @param limitMs is asked anew each time the timer is set. */
  constructor(runtime: Runtime, limitMs: () => number, onSilent: (silentMs: number) => void) {
    this.#runtime = runtime
    this.#limitMs = limitMs
    this.#onSilent = onSilent
    this.#heardAtMs = runtime.clock.monotonicMs()
    this.#timer = runtime.timers.set(limitMs(), () => this.#check())
  }

  /** Returns when that was. */
  heard(): number {
    this.#heardAtMs = this.#runtime.clock.monotonicMs()
    return this.#heardAtMs
  }

  /** For how long nothing has been heard. */
  get silentMs(): number {
    return this.#runtime.clock.monotonicMs() - this.#heardAtMs
  }

  /** Sets the timer by the present limit, after the limit has changed. */
  again(): void {
    this.#timer.cancel()
    this.#check()
  }

  stop(): void {
    this.#timer.cancel()
  }

  #check(): void {
    const { silentMs } = this
    const leftMs = this.#limitMs() - silentMs
    // A timer may fire a fraction of a millisecond early.
    if (leftMs < 1) this.#onSilent(silentMs)
    else this.#timer = this.#runtime.timers.set(leftMs, () => this.#check())
  }
}
