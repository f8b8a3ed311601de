import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import type { ShortCalls } from './short-calls.ts'

/** How often an open backend is looked after: while calls wait, and otherwise. */
const WAITED_FOR_MS = 250
const UNNEEDED_MS = 2_000

/**
 * Early close: while a breaker is open, asks now and then whether the backend answers. Unreachable and then reachable is a
 * restart, and lets one call probe at once; merely reachable is not, as Ollama's health routes answer when nothing else
 * does (F3).
 */
export class Prober {
  readonly #backend: Backend
  readonly #calls: ShortCalls
  readonly #runtime: Runtime
  readonly #isWaitedFor: () => boolean
  readonly #unsubscribe: () => void
  #timer: Timer | undefined
  #probing = false
  #wasAway = false
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
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#watch()
  }

  #watch(): void {
    if (this.#closed || this.#timer !== undefined || this.#probing) return
    if (this.#backend.breaker.state !== 'open') {
      this.#wasAway = false
      return
    }
    if (this.#backend.breaker.reason === 'CANNOT_CONNECT') this.#wasAway = true
    const delayMs = this.#isWaitedFor() ? WAITED_FOR_MS : UNNEEDED_MS
    this.#timer = this.#runtime.timers.set(delayMs, () => void this.#probe(), 'background')
  }

  async #probe(): Promise<void> {
    this.#timer = undefined
    this.#probing = true
    const reachable = await this.#calls.isReachable()
    this.#probing = false
    if (this.#closed) return
    if (!reachable) this.#wasAway = true
    else if (this.#wasAway) {
      this.#wasAway = false
      this.#backend.returned()
    }
    this.#watch()
  }
}
