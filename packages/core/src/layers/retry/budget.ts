import { BoundedMap } from '../../backends/bounded-map.ts'

/** A retry after a costly failure takes this much. */
const RETRY_COST = 5
/** Going on with a broken stream takes this much: what was said already is not done again. */
const RESUME_COST = 1
/** Tenants remembered at the most; names come from callers. A forgotten one has a full bucket again. */
const MOST_TENANTS = 10_000

/**
 * The retry budget: a bucket that successes fill drop by drop and retries empty by the cupful. It limits what a broken
 * fleet is asked for on top of the calls themselves, to 20 % in the long run. There is one for the process and one of the
 * same size for each tenant, so that one whose calls always fail does not use up what the others may. Source: section
 * 2.2 of the reliability reference (AWS SDK standard mode).
 */
export class RetryBudget {
  readonly #size: number
  #left: number
  /** What is left to those whose bucket is not full. */
  readonly #leftByTenant = new BoundedMap<string, number>(MOST_TENANTS)

  /** @param size of each bucket; 0 turns the budget off. */
  constructor(size: number) {
    this.#size = size
    this.#left = size
  }

  /** A call was answered. */
  refill(tenant?: string): void {
    this.#left = Math.min(this.#size, this.#left + 1)
    if (tenant === undefined) return
    const left = this.#leftByTenant.get(tenant)
    if (left === undefined) return
    if (left + 1 < this.#size) this.#leftByTenant.set(tenant, left + 1)
    else this.#leftByTenant.delete(tenant)
  }

  /** Takes what one retry costs, from both buckets; false, and nothing is taken, when one of them has not enough. */
  take(tenant?: string): boolean {
    return this.#take(RETRY_COST, tenant)
  }

  /** The same for going on with a broken stream. */
  takeForResume(tenant?: string): boolean {
    return this.#take(RESUME_COST, tenant)
  }

  #take(cost: number, tenant: string | undefined): boolean {
    if (this.#size === 0) return true
    const ofTenant = tenant === undefined ? this.#size : (this.#leftByTenant.get(tenant) ?? this.#size)
    if (this.#left < cost || ofTenant < cost) return false
    this.#left -= cost
    if (tenant !== undefined) this.#leftByTenant.set(tenant, ofTenant - cost)
    return true
  }
}
