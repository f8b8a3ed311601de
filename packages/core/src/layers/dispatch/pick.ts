import type { Backend } from '../../backends/backend.ts'

/** What became of the search for a slot. */
export type Pick =
  | { readonly kind: 'backend'; readonly backend: Backend }
  /** A backend that may answer exists, but its slots are taken. */
  | { readonly kind: 'busy' }
  /** No backend may be asked now. */
  | { readonly kind: 'none' }

/**
 * Chooses among the usable backends: one that has not failed this call yet, with a free slot, the model in memory, the
 * fewest calls in flight, used the longest ago; in that order of importance.
 */
export function pick(usable: readonly Backend[], model: string, exclude: ReadonlySet<string>, nowMs: number): Pick {
  if (usable.length === 0) return { kind: 'none' }
  const untried = usable.filter((backend) => !exclude.has(backend.name))
  let best: Backend | undefined
  for (const backend of untried.length > 0 ? untried : usable) {
    if (!backend.slots.isFree(model)) continue
    if (best === undefined || isBetter(backend, best, model, nowMs)) best = backend
  }
  return best === undefined ? { kind: 'busy' } : { kind: 'backend', backend: best }
}

function isBetter(a: Backend, b: Backend, model: string, nowMs: number): boolean {
  const inMemory = Number(isInMemory(a, model, nowMs)) - Number(isInMemory(b, model, nowMs))
  if (inMemory !== 0) return inMemory > 0
  const fewer = b.slots.held - a.slots.held
  return fewer === 0 ? a.lastLeaseAt < b.lastLeaseAt : fewer > 0
}

function isInMemory(backend: Backend, model: string, nowMs: number): boolean {
  return backend.models.residency(model, nowMs) === 'in-memory'
}
