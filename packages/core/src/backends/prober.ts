import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import type { ShortCalls } from './short-calls.ts'

/** How often an open backend is looked after: while calls wait, at first sooner and ever later, and otherwise. */
const FIRST_WAITED_FOR_MS = 10
const WAITED_FOR_MS = 250
const UNNEEDED_MS = 2_000

/**
 * Early close: while a breaker is open, asks now and then whether the backend answers. Away and then there is a restart,
 * and lets one call probe at once; merely reachable is not, as Ollama's health routes answer when nothing else does (F3),
 * nor is an answer that was late once. It also looks after a backend that no breaker holds back yet, for calls that sleep
 * between two attempts.
 */
export class Prober {
  readonly #backend: Backend
  readonly #calls: ShortCalls
  readonly #runtime: Runtime
  readonly #isWaitedFor: () => boolean
  readonly #unsubscribe: () => void
  readonly #sleepers = new Set<() => void>()
  #timer: Timer | undefined
  #dueAtMs = 0
  #probing = false
  #wasAway = false
  #nextWaitedForMs = FIRST_WAITED_FOR_MS
  #closed = false

  constructor(backend: Backend, calls: ShortCalls, runtime: Runtime, isWaitedFor: () => boolean) {
    this.#backend = backend
    this.#calls = calls
    this.#runtime = runtime
    this.#isWaitedFor = isWaitedFor
    this.#unsubscribe = backend.onChange(() => this.#watch())
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    this.#timer?.cancel()
  }

  /** Somebody waits now: the next look must not be two seconds away. */
  hurry(): void {
    // Never later than it would be anyway: calls that keep coming must not put the look off for ever.
    if (this.#timer === undefined || this.#dueAtMs <= this.#nowMs() + this.#nextWaitedForMs) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#watch()
  }

  /**
   * Looks after the backend for a call that sleeps because of it, and wakes it once when the backend has been away and is
   * back. @param wasAway the call itself has seen that nothing listened there. The returned function ends it.
   */
  awaitReturn(wasAway: boolean, wake: () => void): () => void {
    this.#sleepers.add(wake)
    if (wasAway) this.#wasAway = true
    this.#watch()
    this.hurry()
    return () => {
      if (this.#sleepers.delete(wake)) this.#watch()
    }
  }

  get #isNeeded(): boolean {
    return this.#sleepers.size > 0 || this.#isWaitedFor()
  }

  #watch(): void {
    if (this.#closed) return
    const { state } = this.#backend.breaker
    if (state !== 'open' && this.#sleepers.size === 0) {
      this.#wasAway = false
      this.#timer?.cancel()
      this.#timer = undefined
      // One that is let back in and fails again is not looked at every few milliseconds.
      if (state === 'closed') this.#nextWaitedForMs = FIRST_WAITED_FOR_MS
      return
    }
    if (this.#timer !== undefined || this.#probing) return
    if (state === 'open' && this.#backend.breaker.reason === 'CANNOT_CONNECT') this.#wasAway = true
    const delayMs = this.#isNeeded ? this.#nextWaitedForMs : UNNEEDED_MS
    this.#dueAtMs = this.#nowMs() + delayMs
    this.#timer = this.#runtime.timers.set(delayMs, () => void this.#probe(), 'background')
  }

  async #probe(): Promise<void> {
    this.#timer = undefined
    // A port that is closed for a few milliseconds must not cost everybody who waits a quarter of a second.
    if (this.#isNeeded) this.#nextWaitedForMs = Math.min(this.#nextWaitedForMs * 2, WAITED_FOR_MS)
    this.#probing = true
    const found = await this.#calls.probe()
    this.#probing = false
    if (this.#closed) return
    if (found === 'away') this.#wasAway = true
    else if (found === 'answers' && this.#wasAway) {
      this.#wasAway = false
      this.#backend.returned()
      const woken = [...this.#sleepers]
      this.#sleepers.clear()
      for (const wake of woken) wake()
    }
    this.#watch()
  }

  #nowMs(): number {
    return this.#runtime.clock.monotonicMs()
  }
}
