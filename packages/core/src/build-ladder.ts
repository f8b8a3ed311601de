import { Capabilities } from './backends/capabilities.ts'
import type { StackParts } from './build-stack.ts'
import { createDegrade } from './layers/degrade/degrade.ts'
import type { DegradeDeps } from './layers/degrade/degrade.ts'
import type { Layer } from './service.ts'

/** The ladder with what it needs to know of the backends; `undefined` when no rung of it is configured. */
export function buildLadder(
  { config, runtime, telemetry, roster, local }: StackParts,
  staleAnswer: DegradeDeps['staleAnswer'],
): Layer | undefined {
  const { degradeModels, fallbackMessage } = config
  const hasRung =
    degradeModels.length > 0 || staleAnswer !== undefined || local !== undefined || fallbackMessage !== undefined
  if (!hasRung) return undefined
  const capabilities = new Capabilities(() => roster.members, runtime)
  return createDegrade(config, {
    clock: runtime.clock,
    telemetry,
    isUsable: (model) => roster.fleet.usable(model).length > 0,
    isMissing: (model) => roster.members.length > 0 && roster.members.every(({ health }) => health.lacks(model)),
    isCapable: (model, needs, signal) => capabilities.has(model, needs, signal),
    staleAnswer,
    local,
  })
}
