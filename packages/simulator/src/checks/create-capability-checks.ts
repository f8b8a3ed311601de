import type { Config } from '@surefoot/core'

import type { CallBook } from '../callers/call-book.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import { CacheChecks } from './cache-checks.ts'
import type { CapabilityCheck } from './capability-check.ts'
import { ContextChecks } from './context-checks.ts'
import { ExperimentChecks } from './experiment-checks.ts'
import { LadderChecks } from './ladder-checks.ts'
import type { Report } from './violation.ts'

/** What the checks of all four are made with. */
export interface CapabilityChecksDeps {
  readonly config: Config
  readonly calls: CallBook
  readonly ollamas: readonly ModelledOllama[]
  readonly nowMs: () => number
  readonly report: Report
  readonly soon: (work: () => void) => void
  readonly after: (delayMs: number, work: () => void) => void
}

/** I10 to I13; none of them where calls cannot be told apart. */
export interface CapabilityChecks {
  readonly checks: readonly CapabilityCheck[]
  readonly ladder: LadderChecks
}

export function createCapabilityChecks(deps: CapabilityChecksDeps): CapabilityChecks {
  const { config, calls } = deps
  const cache = new CacheChecks(deps)
  const ladder = new LadderChecks({ ...deps, hasOlder: (call, models) => cache.hasOlder(call, models) })
  const experiments = config.experiments.map(
    (experiment) => new ExperimentChecks({ ...deps, experiment, model: config.model }),
  )
  return { checks: calls.isMarked ? [new ContextChecks(deps), cache, ladder, ...experiments] : [], ladder }
}
