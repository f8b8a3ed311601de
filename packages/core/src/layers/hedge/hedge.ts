import type { Config } from '../../config/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Layer } from '../../service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { FirstTokenTimes } from './first-token-times.ts'
import { HedgeBudget } from './hedge-budget.ts'
import { Race } from './race.ts'

/** The settings it goes by. */
export type HedgeOptions = Pick<Config, 'hedge' | 'hedgeDelayMs'>

/** What the layer is built with. */
export interface HedgeDeps {
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  /** How much of the slots of all backends that may be asked for this model is taken, 0..1. */
  readonly busyShare: (model: string) => number
  /** Whether that backend may be bringing the model into its memory. */
  readonly mayBeLoading: (model: string, backend: string) => boolean
}

/**
 * A second attempt on an idle backend when the first token takes unusually long; the first of the two to have one answers
 * and the other is cancelled. Off by default: choosing the backend well gives more, and only rare stalls at low load are
 * worth it. The guards are those of section 2.3 of the reliability reference.
 */
export function createHedge(options: HedgeOptions, deps: HedgeDeps): Layer {
  if (!options.hedge) return (next) => next
  const shared = { ...deps, delayMs: options.hedgeDelayMs, budget: new HedgeBudget(), times: new FirstTokenTimes() }
  return (next) => (call, context) => {
    // The half answer of a stream can be gone on from by few, and its caller is reading: a second one is not worth it.
    if (context.continueFrom !== undefined) return next(call, context)
    if (context.attempt === 1) shared.budget.earn()
    return new Race(next, call, context, shared).run()
  }
}
