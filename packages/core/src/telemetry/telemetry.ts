import type { ErrorCode, Served } from '@surefoot/protocol'

/** What happens inside, as one typed stream that logs, metrics and dashboards read. Never a prompt or an answer. */
export type TelemetryEvent =
  | { readonly type: 'client-init'; readonly backends: readonly string[]; readonly model: string }
  | {
      readonly type: 'call-start'
      readonly id: string
      readonly model: string
      /** Characters of the prompt, all messages together. */
      readonly promptLength: number
    }
  | {
      readonly type: 'call-end'
      readonly id: string
      readonly model: string
      readonly outcome: 'answered' | 'aborted' | ErrorCode
      /** How the answer came about; absent where there was none. */
      readonly served?: Served | undefined
      readonly durationMs: number
      readonly firstTokenMs?: number | undefined
      readonly attempts: number
      readonly backend?: string | undefined
      readonly tokens?: number | undefined
      /** The sentence of the error, safe to show. */
      readonly problem?: string | undefined
    }
  | {
      readonly type: 'attempt-fail'
      readonly id: string
      readonly attempt: number
      readonly backend: string
      readonly code: ErrorCode
      readonly problem: string
      /** Until the next attempt; absent when there is none. */
      readonly waitMs?: number | undefined
      /** No backend may be asked now: the next attempt begins when one may, if that is in time. */
      readonly waitsForBackend?: true
    }
  /** A way to answer one call was tried in vain, and the next one is: see the setting `degradeModels`. */
  | {
      readonly type: 'rung-leave'
      readonly id: string
      /** A model, or `cache`. */
      readonly rung: string
      readonly code: ErrorCode
      readonly problem: string
    }
  | {
      readonly type: 'breaker-open' | 'breaker-half-open' | 'breaker-closed'
      readonly backend: string
      readonly failures: number
      readonly reason: string
      /** It had been open already; a probe failed. */
      readonly again?: true
    }

  /** A backend gets no call, or only when there is no better one; not its breaker, which has events of its own. */
  | {
      readonly type: 'backend-out'
      readonly backend: string
      readonly state: 'suspect' | 'wedged'
      readonly reason: string
    }
  | { readonly type: 'backend-back' | 'backend-join' | 'backend-leave'; readonly backend: string }
  /** An experiment has found its winner. */
  | { readonly type: 'experiment-decide'; readonly experiment: string; readonly winner: string }
  | {
      readonly type: 'shadow-end'
      readonly experiment: string
      readonly model: string
      readonly backend?: string | undefined
      /** `cancelled`: a call needed the place. */
      readonly outcome: 'whole' | 'cancelled' | ErrorCode
      readonly durationMs: number
    }
  /** A call that may be answered from the cache: from there, by joining a run, or by a model. */
  | {
      readonly type: 'cache'
      readonly id: string
      readonly result: 'hit' | 'joined' | 'miss'
      /** Of a hit. */
      readonly where?: 'memory' | 'redis'
    }
  /** The Redis behind the cache cannot be used for now, or can again. */
  | { readonly type: 'cache-store-out'; readonly problem: string }
  | { readonly type: 'cache-store-back' }
  | {
      readonly type: 'load-end'
      readonly backend: string
      readonly model: string
      readonly durationMs: number
      /** Why the model is not in memory; absent when it is. */
      readonly problem?: string | undefined
    }

/** Where the parts report to. */
export interface Telemetry {
  emit(event: TelemetryEvent): void
  /** Calls back for every event until the returned function is called. */
  on(listener: (event: TelemetryEvent) => void): () => void
}

/** A synchronous fan-out; a listener that throws is its owner's fault and does not reach a call. */
export function createTelemetry(onFault: (fault: unknown) => void = () => {}): Telemetry {
  const listeners = new Set<(event: TelemetryEvent) => void>()
  return {
    emit(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (fault) {
          onFault(fault)
        }
      }
    },
    on(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
