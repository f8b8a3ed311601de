import type { ExperimentReport } from '@surefoot/protocol'

import type { Roster } from './backends/roster.ts'
import { createSpareBackends, isSpare } from './backends/spare-backends.ts'
import type { Config } from './config/config.ts'
import { createDeadline } from './layers/deadline.ts'
import { createDispatch } from './layers/dispatch/dispatch.ts'
import type { Dispatcher } from './layers/dispatch/dispatcher.ts'
import { callOfVariant, createExperiment } from './layers/experiment/experiment.ts'
import { Experiments } from './layers/experiment/experiments.ts'
import { lenient } from './layers/experiment/lenient.ts'
import { Shadows } from './layers/experiment/shadows.ts'
import type { LoadOptions } from './load-options.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Call, Layer, Service } from './service.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

/** What experiments need of the rest. */
export interface ExperimentParts {
  readonly config: Config
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  readonly roster: Roster
  readonly dispatcher: Dispatcher
  readonly loadOptions: Pick<LoadOptions, 'of'>
}

/** The experiments of one Surefoot. */
export interface BuiltExperiments {
  readonly layer: Layer
  /** A call as its variant asks it. */
  varied(call: Call): Call
  report(): ExperimentReport[]
  feedback(runId: string, isGood: boolean): boolean
  /** Ends all copies at once. */
  close(): void
}

/**
 * Puts experiments and their copies together. The stack of a copy is short: nothing in it tries again.
 *
 * @returns `undefined` where none is configured.
 */
export function buildExperiments(parts: ExperimentParts, transport: Service): BuiltExperiments | undefined {
  const { config, runtime, telemetry, roster, dispatcher, loadOptions } = parts
  if (config.experiments.length === 0) return undefined
  const experiments = new Experiments(config, runtime, telemetry)
  const dispatch = createDispatch(dispatcher, () => undefined, undefined, isSpare)
  const shadows = new Shadows({
    runtime,
    telemetry,
    spare: createSpareBackends(roster, runtime, () => dispatcher.waiting > 0),
    service: createDeadline(runtime)(dispatch(lenient(transport))),
    loadedWith: (model) => loadOptions.of(model),
    deadlineMs: config.deadlineMs,
  })
  dispatcher.onDemand((demand) => shadows.giveWay(demand))
  return {
    layer: createExperiment({ experiments, runtime, shadows }),
    varied: (call) => callOfVariant(call, experiments),
    report: () => experiments.report(),
    feedback: (runId, isGood) => experiments.feedback(runId, isGood),
    close: () => shadows.close(),
  }
}
