/** A retry after a costly failure takes this much. */
const RETRY_COST = 5

/**
 * The retry budget: a bucket that successes fill drop by drop and retries empty by the cupful. It limits what a broken
 * fleet is asked for on top of the calls themselves, to 20 % in the long run. Source: section 2.2 of the reliability
 * reference (AWS SDK standard mode).
 */
export class RetryBudget {
  readonly #size: number
  #left: number

  /** @param size of the bucket; 0 turns the budget off. */
  constructor(size: number) {
    this.#size = size
    this.#left = size
  }

  /** A call was answered. */
  refill(): void {
    this.#left = Math.min(this.#size, this.#left + 1)
  }

  /** Takes what one retry costs; false when not enough is left. */
  take(): boolean {
    if (this.#size === 0) return true
    if (this.#left < RETRY_COST) return false
    this.#left -= RETRY_COST
    return true
  }
}
