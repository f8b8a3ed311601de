import type { ExperimentReport } from '@surefoot/protocol'

import { BoundedMap } from '../../backends/bounded-map.ts'
import { canonicalModel } from '../../backends/model-lists.ts'
import type { Config } from '../../config/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { Trial } from './trial.ts'
import type { CallResult, Session } from './trial.ts'

/** Answers that can still be judged: the latest ones. */
const MOST_RUNS = 20_000

/** An answer that can be judged. */
interface JudgedRun {
  readonly trial: Trial
  readonly session: Session
  isGood: boolean | undefined
}

/** The settings it goes by. */
export type ExperimentOptions = Pick<Config, 'experiments' | 'model'>

/** All experiments of one Surefoot, and which answer belongs to which. What they know is lost with the process. */
export class Experiments {
  readonly #runtime: Runtime
  readonly #telemetry: Telemetry
  readonly #trials: readonly Trial[]
  readonly #byModel = new Map<string, Trial>()
  readonly #runs = new BoundedMap<string, JudgedRun>(MOST_RUNS)

  constructor({ experiments, model: usual }: ExperimentOptions, runtime: Runtime, telemetry: Telemetry) {
    this.#runtime = runtime
    this.#telemetry = telemetry
    this.#trials = experiments.map((experiment) => {
      const model = experiment.model ?? usual
      const trial = new Trial(experiment, model)
      const name = canonicalModel(model)
      if (!this.#byModel.has(name)) this.#byModel.set(name, trial)
      return trial
    })
  }

  /** The experiment that calls for this model take part in: the first one that names it. */
  of(model: string): Trial | undefined {
    return this.#byModel.get(model)
  }

  /** The first token of this run is about to be shown: from now on it can be judged. */
  shown(runId: string, trial: Trial, session: Session): void {
    this.#runs.set(runId, { trial, session, isGood: undefined })
  }

  ended(trial: Trial, session: Session, signal: AbortSignal, result: CallResult): void {
    this.#tell(trial, trial.ended(session, signal, result, this.#runtime.clock.nowMs()))
  }

  /** A person's judgement of an answer; false when the run took part in no experiment, or too long ago. */
  feedback(runId: string, isGood: boolean): boolean {
    const run = this.#runs.get(runId)
    if (run === undefined) return false
    const before = run.isGood
    run.isGood = isGood
    this.#tell(run.trial, run.trial.judged(run.session, isGood, before, this.#runtime.clock.nowMs()))
    return true
  }

  report(): ExperimentReport[] {
    return this.#trials.map((trial) => trial.report())
  }

  #tell({ name }: Trial, winner: string | undefined): void {
    if (winner !== undefined) this.#telemetry.emit({ type: 'experiment-decide', experiment: name, winner })
  }
}
