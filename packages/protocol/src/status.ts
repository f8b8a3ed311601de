/** State of one circuit breaker. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** One circuit breaker, as shown to people. */
export interface BreakerStatus {
  readonly state: BreakerState
  /** Failures in a row, in the order of admission. */
  readonly failures: number
  /** Epoch milliseconds of the last change of state. */
  readonly sinceAtMs: number
  /** Why it opened: an error code. */
  readonly reason?: string | undefined
  /** Epoch milliseconds of the next probing call; only while open. */
  readonly nextProbeAtMs?: number | undefined
}

/**
 * What a backend is doing, in one word.
 *
 * - `up`: idle and able. `busy`: calls are in flight. `loading`: it brings a model into memory.
 * - `suspect`: it fails health looks; used only when there is no better one.
 * - `wedged`: it answers health looks but produces no token; out until it does.
 * - `degraded-cpu`: a model fell back from the GPU to the CPU; used only when there is no better one.
 * - `down`: its breaker is not closed.
 */
export type BackendState = 'up' | 'busy' | 'loading' | 'suspect' | 'wedged' | 'degraded-cpu' | 'down'

/** One backend as Surefoot sees it now. */
export interface BackendStatus {
  /** Its URL without credentials; also its name in events and errors. */
  readonly url: string
  readonly state: {
    readonly name: BackendState
    /** Why, in words or as an error code; absent for `up` and `busy`. */
    readonly reason?: string | undefined
    /** Epoch milliseconds since when it has been so. */
    readonly sinceAtMs: number
  }
  /** It is being drained: no new call goes there, the running ones end. */
  readonly draining: boolean
  readonly breaker: BreakerStatus
  /** Calls that hold a slot now, to the end of their streams. */
  readonly inFlight: number
  /** Slots per model. */
  readonly slots: number
  /** Open sockets of its pool. */
  readonly sockets: number
  /** Attempts that ended since the start, by what they came to. */
  readonly attempts: { readonly succeeded: number; readonly failed: number; readonly neutral: number }
  /** The last known health; absent until it was asked for once. */
  readonly health?: BackendHealth | undefined
}

/** What the health check of one backend found; each answer is its own, none implies another. */
export interface BackendHealth {
  readonly url: string
  /** It answered `/api/version`. */
  readonly reachable: boolean
  /** The default model is in `/api/tags`; absent when the list could not be read. */
  readonly modelInstalled?: boolean | undefined
  /** The default model is in `/api/ps`; absent when the list could not be read. */
  readonly modelInMemory?: boolean | undefined
  readonly version?: string | undefined
  /** Names of the installed models. */
  readonly installed?: readonly string[] | undefined
  /** Names of the models in memory. */
  readonly inMemory?: readonly string[] | undefined
  /** What `/api/ps` says of them beside. */
  readonly loaded?: readonly LoadedModelInfo[] | undefined
  /** Round trip of `/api/version` in milliseconds. */
  readonly latencyMs?: number | undefined
  /** Why it is not reachable, or which list could not be read, with what to do; one sentence. */
  readonly problem?: string | undefined
  /** Epoch milliseconds at which this was found out. */
  readonly checkedAtMs: number
}

/** One model in the memory of a backend. */
export interface LoadedModelInfo {
  readonly name: string
  /** Bytes in memory, and how many of them are the GPU's; absent where the backend does not say. */
  readonly sizeBytes?: number | undefined
  readonly vramBytes?: number | undefined
  /** When it leaves the memory unless it is asked again, as Ollama prints it. */
  readonly expiresAt?: string | undefined
}

/** The answer of `health()`. */
export interface HealthReport {
  /**
   * `up`: every backend is reachable, has the model, produces tokens, and its breaker is not open. `degraded`: only some
   * are. `down`: none is.
   */
  readonly status: 'up' | 'degraded' | 'down'
  /** The default model. */
  readonly model: string
  readonly backends: readonly (BackendHealth & { readonly breaker: BreakerStatus })[]
  /** The age of the oldest part in milliseconds; 0 when it was just found out. */
  readonly ageMs: number
  /** Calls that wait for a slot. */
  readonly waiting: number
}

/** One installed model and where it is. */
export interface ModelInfo {
  readonly name: string
  /** Digests can differ between backends: the same tag may hold other weights. */
  readonly digests: readonly string[]
  readonly sizeBytes: number
  readonly modifiedAt: string
  /** URLs of the backends that have it. */
  readonly backends: readonly string[]
  /** What `/api/tags` says of it, with paths of the backend's disk removed. */
  readonly details: Readonly<Record<string, unknown>>
}
