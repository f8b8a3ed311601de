import type { Config } from '../../config/config.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { Call, CallContext, Layer, Reply } from '../../service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { Descent } from './descent.ts'
import type { Capability } from './needs.ts'

/** The settings it goes by. */
export type DegradeOptions = Pick<Config, 'degradeModels' | 'fallbackMessage' | 'patienceMs' | 'waitForReadyMs'>

/** A model that runs in this process. */
export interface LocalModel {
  /** What it is called in answers. */
  readonly name: string
  /**
   * Resolves with its first token, or with the whole answer for a call that wants it whole.
   *
   * @param untilMs on the monotonic clock: who has not had his turn by then is refused.
   */
  answer(call: Call, context: CallContext, untilMs: number): Promise<Reply>
}

/** What the layer is built with. */
export interface DegradeDeps {
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'emit'>
  /** Whether a backend may be asked for this model now. */
  readonly isUsable: (model: string) => boolean
  /** Whether it is certain that no backend has this model. */
  readonly isMissing: (model: string) => boolean
  /** Whether the model is known to be able to do all of that; asks the backends once where it is not known. */
  readonly isCapable: (model: string, needs: readonly Capability[], signal: AbortSignal) => Promise<boolean>
  /** An older answer to the same question by the call's model, from the cache. The call is as it came from the caller. */
  readonly staleAnswer?: ((call: Call) => Promise<Reply | undefined>) | undefined
  readonly local?: LocalModel | undefined
}

/**
 * The ladder when a model cannot answer in its patience: each further model, an older cached answer, a model in this
 * process, the fallback message; else the error of the model that was asked for. Nothing is begun anew after the first
 * token of a streamed answer. Every reply says how it was served, and why.
 */
export function createDegrade(options: DegradeOptions, deps: DegradeDeps): Layer {
  return (next) => async (call, context) => {
    if (call.kind !== 'chat') return await next(call, context)
    return await new Descent(next, call, context, options, deps).answer()
  }
}
