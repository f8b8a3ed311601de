import type { Backend } from '../../backends/backend.ts'
import type { Applicant } from './waiting.ts'

/** What became of the search for a slot. */
export type Pick =
  | { readonly kind: 'backend'; readonly backend: Backend }
  /** A backend that may answer exists, but its slots are taken, or its model is not in memory yet. */
  | { readonly kind: 'busy' }
  /** No backend may be asked now. */
  | { readonly kind: 'none' }

/** The backend that served this conversation last is taken unless it is so many times, and so much, slower than the best. */
const AFFINITY_FACTOR = 2
const AFFINITY_MS = 250
/** Costs that differ by less than this share, or by so much, are the same. */
const SAME_SHARE = 0.2
const SAME_MS = 20
/** A model whose place is unknown may have to be loaded. */
const MAYBE_LOAD_MS = 5_000

/** What the choice goes by, besides the backends themselves. */
export interface PickContext {
  readonly model: string
  readonly nowMs: number
  /** The backend that served the caller's conversation last. */
  readonly affine: Backend | undefined
}

/**
 * Chooses a backend with a free slot and the model in memory, one that has not failed this call: the one that served this
 * conversation last if it is not much slower; else the one with the least expected time to the first token; among equals
 * the one with the fewest calls in flight, used the longest ago.
 *
 * @param usable those of the usable ones that it may go to.
 */
export function pick(usable: readonly Backend[], applicant: Applicant, context: PickContext): Pick {
  const { model } = context
  if (usable.length === 0) return { kind: 'none' }
  const ready = usable.filter((backend) => backend.readiness(model) === 'ready')
  const untried = applicant.exclude.size === 0 ? ready : ready.filter(({ name }) => !applicant.exclude.has(name))
  if (applicant.onlyIfIdle === true) {
    const idle = untried.filter((backend) => backend.slots.heldBy(model) === 0 && isInMemory(backend, context))
    return found(best(idle, applicant, context))
  }
  const pool = untried.length > 0 ? untried : ready
  const free = pool.filter((backend) => backend.slots.isFree(model))
  if (free.length > 0) return found(best(free, applicant, context))
  // One call more than is known to be served finds out whether it is.
  const trials = pool.filter((backend) => backend.mayTry(model))
  return found(best(trials, applicant, context))
}

function found(backend: Backend | undefined): Pick {
  return backend === undefined ? { kind: 'busy' } : { kind: 'backend', backend }
}

function best(backends: readonly Backend[], applicant: Applicant, context: PickContext): Backend | undefined {
  if (backends.length < 2) return backends[0]
  const costs = backends.map((backend) => costMs(backend, applicant, context))
  const leastMs = Math.min(...costs)
  const affineAt = context.affine === undefined ? -1 : backends.indexOf(context.affine)
  if (affineAt !== -1 && (costs[affineAt] as number) <= leastMs * AFFINITY_FACTOR + AFFINITY_MS) return context.affine
  const goodEnoughMs = leastMs * (1 + SAME_SHARE) + SAME_MS
  let chosen: Backend | undefined
  for (const [index, backend] of backends.entries()) {
    if ((costs[index] as number) > goodEnoughMs) continue
    if (chosen === undefined || isLessUsed(backend, chosen)) chosen = backend
  }
  return chosen
}

function costMs(backend: Backend, applicant: Applicant, context: PickContext): number {
  const { model, nowMs } = context
  const loadMs = isInMemory(backend, context) ? 0 : (backend.expectedLoadMs(model) ?? MAYBE_LOAD_MS)
  return backend.pace.costMs(model, applicant.promptLength ?? 0, nowMs) + loadMs
}

function isLessUsed(a: Backend, b: Backend): boolean {
  const fewer = b.slots.held - a.slots.held
  return fewer === 0 ? a.lastLeaseAt < b.lastLeaseAt : fewer > 0
}

function isInMemory(backend: Backend, { model, nowMs }: PickContext): boolean {
  return backend.models.residency(model, nowMs) === 'in-memory'
}
