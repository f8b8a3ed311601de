import type { Backend } from '../../backends/backend.ts'

export function slotsOf(usable: readonly Backend[], model: string): number {
  return usable.reduce((sum, backend) => sum + backend.slots.sizeOf(model), 0)
}

export function freeOf(usable: readonly Backend[], model: string): number {
  return usable.reduce((sum, { slots }) => sum + Math.max(0, slots.sizeOf(model) - slots.heldBy(model)), 0)
}

export function hasRoom(backend: Backend, model: string): boolean {
  return (backend.slots.isFree(model) || backend.mayTry(model)) && backend.readiness(model) === 'ready'
}

/** The model is in memory nowhere, and is being loaded. */
export function isLoading(usable: readonly Backend[], model: string): boolean {
  return (
    usable.every((backend) => backend.readiness(model) !== 'ready') &&
    usable.some((backend) => backend.loading(model) !== undefined)
  )
}

/** It is being found out where the model is: a matter of milliseconds, of which nobody is told. */
export function isLookedFor(usable: readonly Backend[], model: string): boolean {
  return usable.length > 0 && usable.every((backend) => backend.readiness(model) === 'unknown')
}
