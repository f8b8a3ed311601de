import { BoundedMap } from '../../backends/bounded-map.ts'

/** Tenants remembered at the most; one that is forgotten starts level with the others. */
const MOST_TENANTS = 10_000

/**
 * Who has had how much of the slots' time: start-time fair queueing. Each tenant has a mark that its calls push forward
 * by what they cost; whoever's mark is furthest back goes next, and one that was away for long starts level with those
 * that are served now, so that nobody saves up.
 */
export class FairShare {
  readonly #marks = new BoundedMap<string, number>(MOST_TENANTS)
  #level = 0

  /** The lower, the sooner its turn. */
  markOf(tenant: string): number {
    return Math.max(this.#marks.get(tenant) ?? 0, this.#level)
  }

  /** A call of this tenant begins; what it will cost is estimated. */
  begin(tenant: string, costMs: number): void {
    const mark = this.markOf(tenant)
    this.#level = mark
    this.#marks.set(tenant, mark + costMs)
  }

  /** It has ended, and cost so much more or less than estimated. */
  correct(tenant: string, byMs: number): void {
    const mark = this.#marks.get(tenant)
    if (mark !== undefined) this.#marks.set(tenant, mark + byMs)
  }
}
