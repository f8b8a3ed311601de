import type { Runtime, Timer } from '../../runtime/runtime.ts'

/** One timer for all who wait. One that fires too early costs a look; setting it anew for each look would cost more. */
export class Alarm {
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly #fire: () => void
  #set: { readonly atMs: number; readonly timer: Timer } | undefined

  constructor(runtime: Pick<Runtime, 'clock' | 'timers'>, fire: () => void) {
    this.#runtime = runtime
    this.#fire = fire
  }

  /** Fires at that time on the monotonic clock, or before. */
  at(atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY || (this.#set !== undefined && this.#set.atMs <= atMs)) return
    this.cancel()
    const delayMs = Math.max(0, atMs - this.#runtime.clock.monotonicMs())
    const timer = this.#runtime.timers.set(delayMs, () => {
      this.#set = undefined
      this.#fire()
    })
    this.#set = { atMs, timer }
  }

  cancel(): void {
    this.#set?.timer.cancel()
    this.#set = undefined
  }
}
