import { coldModel } from './cold-model.ts'
import { mixedFaultsGuideScenario, mixedFaultsScenario } from './mixed-faults.ts'
import { blackHole, coinFlip, cutsHalfWay, oneHangs, wedged } from './one-bad-backend.ts'
import { overload, stall } from './overload.ts'
import { allAway, killedStreams, restartEveryMinute } from './restarts.ts'
import type { Scenario } from './scenario.ts'
import { tailLatency } from './tail-latency.ts'

/** All that is to be shown in virtual time, by the name that `pnpm prove --only` takes. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'mixed-5': mixedFaultsScenario(0.05, 200_000),
  'mixed-10': mixedFaultsScenario(0.1, 50_000),
  'mixed-20': mixedFaultsScenario(0.2, 50_000),
  'guide-5': mixedFaultsGuideScenario(0.05, 200_000),
  'guide-10': mixedFaultsGuideScenario(0.1, 50_000),
  'guide-20': mixedFaultsGuideScenario(0.2, 50_000),
  'killed-streams': killedStreams,
  'restart-every-minute': restartEveryMinute,
  'all-away': allAway,
  'coin-flip': coinFlip,
  'cuts-half-way': cutsHalfWay,
  overload,
  stall,
  'cold-model': coldModel,
  wedged,
  'black-hole': blackHole,
  'one-hangs': oneHangs,
  'tail-latency': tailLatency,
}
