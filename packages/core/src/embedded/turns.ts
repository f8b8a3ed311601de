import { SurefootError } from '@surefoot/protocol'

import type { Runtime, Timer } from '../runtime/runtime.ts'

interface Waiter {
  resolve(giveBack: () => void): void
}

/** One after the other, in the order in which they came. */
export class Turns {
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly #waiters = new Set<Waiter>()
  #taken = false

  constructor(runtime: Pick<Runtime, 'clock' | 'timers'>) {
    this.#runtime = runtime
  }

  /**
   * Resolves with the function that gives the turn back. Rejects with the signal's reason, or with `QUEUE_TIMEOUT` at that
   * time on the monotonic clock; leaves no timer and no listener behind.
   */
  take(signal: AbortSignal, untilMs: number): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      if (!this.#taken) return resolve(this.#begin())
      const settle = (): void => {
        timer?.cancel()
        signal.removeEventListener('abort', onAbort)
        this.#waiters.delete(waiter)
      }
      const giveUp = (reason: unknown): void => {
        settle()
        reject(reason as Error)
      }
      const onAbort = (): void => giveUp(signal.reason)
      const waiter: Waiter = {
        resolve: (giveBack) => {
          settle()
          resolve(giveBack)
        },
      }
      const timer = this.#timer(untilMs, () => giveUp(busy()))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  #timer(untilMs: number, fire: () => void): Timer | undefined {
    if (untilMs === Number.POSITIVE_INFINITY) return undefined
    return this.#runtime.timers.set(Math.max(0, untilMs - this.#runtime.clock.monotonicMs()), fire)
  }

  #begin(): () => void {
    this.#taken = true
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#taken = false
      const next = this.#waiters.values().next().value
      next?.resolve(this.#begin())
    }
  }
}

function busy(): SurefootError {
  return new SurefootError({ code: 'QUEUE_TIMEOUT', message: 'The model in this process is busy with other calls.' })
}
