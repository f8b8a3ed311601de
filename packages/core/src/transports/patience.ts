import type { Residency } from '../backends/model-state.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { SilenceWatch } from './silence-watch.ts'

/** After this much silence it is found out whether the model is being loaded. */
const LOOK_AFTER_MS = 1_000
/** A deadline as long as the patience, and counted from a little earlier, cuts an attempt that was silent for this share of it. */
const OVERDUE_SHARE = 0.9
/** The body of a refusal comes with its status; only its words are lost when it does not. */
const REFUSAL_MS = 1_000

/** The longest silences, in milliseconds. */
export interface SilenceLimits {
  /** To the first token of a model in memory, and between two tokens. */
  readonly quietMs: number
  /** To the first token while the model is being loaded. */
  readonly loadMs: number
  /** With tools or a format Ollama holds text back until a piece is complete (F23). */
  readonly mayBeQuiet: boolean
}

/** What it is built with. */
export interface PatienceDeps {
  readonly runtime: Runtime
  readonly limits: SilenceLimits
  /** What is known of the model now. */
  readonly residency: () => Residency
  /** It may stand in the backend's own queue: then the time to the first token has not begun. */
  readonly queuedInside: () => boolean
  /** Looks into the backend's memory now; what it finds is in `residency()` afterwards. */
  readonly lookIntoMemory: () => Promise<void>
  /** Called once when the model turns out to be loading. */
  readonly onLoading: () => void
  /** Called when it has been silent for too long. */
  readonly onSilent: (silentMs: number) => void
}

/**
 * How long one attempt is waited for. Before the first token silence can be a load, which takes minutes and must not be
 * cut (F5, F23): so it looks into the backend's memory, once early and once more before it judges.
 */
export class Patience {
  readonly #deps: PatienceDeps
  readonly #watch: SilenceWatch
  #looked: 'no' | 'early' | 'at the limit' = 'no'
  #waitingFor: 'first token' | 'next token' | 'end of a refusal' = 'first token'
  #toldLoading = false
  #paused = false
  #stopped = false

  constructor(deps: PatienceDeps) {
    this.#deps = deps
    this.#watch = new SilenceWatch(
      deps.runtime,
      () => this.#limitMs(),
      (silentMs) => this.#onSilence(silentMs),
    )
  }

  /** The model may be loading: an abort now would make it start anew. */
  get mayBeLoading(): boolean {
    const residency = this.#deps.residency()
    // What was found out is forgotten after a while, but a load takes minutes.
    if (residency === 'unknown') return this.#toldLoading
    return residency === 'absent' || residency === 'loading'
  }

  /** How long it has been silent, once that is about as long as it is waited for and nothing is known that excuses it. */
  get overdueMs(): number | undefined {
    if (this.#paused || this.#waitingFor === 'end of a refusal') return undefined
    if (this.#waitingFor === 'first token' && (this.mayBeLoading || this.#deps.queuedInside())) return undefined
    const { silentMs } = this.#watch
    return silentMs >= this.#deps.limits.quietMs * OVERDUE_SHARE ? silentMs : undefined
  }

  /** The request goes out: what is known already is told. */
  start(): void {
    if (this.mayBeLoading) this.#tellLoading()
  }

  /** Returns when that was. */
  heard(): number {
    return this.#watch.heard()
  }

  /** The first token is here: from now on silence is silence. */
  token(): void {
    this.#goOnWith('next token')
  }

  /** The status says it all; the end of the body is not worth a look. */
  refused(): void {
    this.#goOnWith('end of a refusal')
  }

  /** While the reader takes its time, the backend's silence is our own doing. */
  pause(): void {
    this.#paused = true
    this.#watch.stop()
  }

  resume(): void {
    this.#paused = false
    if (this.#stopped) return
    this.#watch.heard()
    this.#watch.again()
  }

  stop(): void {
    this.#stopped = true
    this.#watch.stop()
  }

  /** Until now the timer stood for something else, or for nothing while a look was under way. */
  #goOnWith(waitingFor: 'next token' | 'end of a refusal'): void {
    if (this.#waitingFor === waitingFor) return
    this.#waitingFor = waitingFor
    this.#watch.heard()
    this.#watch.again()
  }

  #limitMs(): number {
    const { limits, residency } = this.#deps
    if (this.#waitingFor === 'next token') return limits.quietMs
    if (this.#waitingFor === 'end of a refusal') return Math.min(REFUSAL_MS, limits.quietMs)
    if (this.#looked === 'no' && residency() !== 'in-memory') return Math.min(LOOK_AFTER_MS, limits.quietMs)
    if (this.#looked !== 'at the limit') return limits.quietMs
    return this.mayBeLoading ? Math.max(limits.loadMs, limits.quietMs) : limits.quietMs
  }

  #onSilence(silentMs: number): void {
    if (this.#waitingFor !== 'first token') return this.#deps.onSilent(silentMs)
    if (this.#deps.queuedInside()) {
      this.#watch.heard()
      return this.#watch.again()
    }
    if (this.#looked === 'at the limit' && silentMs + 1 >= this.#limitMs()) return this.#deps.onSilent(silentMs)
    this.#looked = silentMs + 1 >= this.#deps.limits.quietMs ? 'at the limit' : 'early'
    void this.#deps.lookIntoMemory().then(() => {
      if (this.#stopped || this.#waitingFor !== 'first token') return
      if (this.mayBeLoading) this.#tellLoading()
      this.#watch.again()
    })
  }

  #tellLoading(): void {
    if (this.#toldLoading) return
    this.#toldLoading = true
    this.#deps.onLoading()
  }
}
