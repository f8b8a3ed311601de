/** Second attempts for each call, in the long run. */
const SHARE = 0.05
/** What may be saved for a bad moment. */
const MOST = 10

/** The hedge budget: each call earns a twentieth of a second attempt. Source: section 2.3 of the reliability reference. */
export class HedgeBudget {
  #left = 1

  /** A call has begun. */
  earn(): void {
    this.#left = Math.min(MOST, this.#left + SHARE)
  }

  get isEmpty(): boolean {
    // What was earned in twentieths does not add up to a whole in binary.
    return this.#left < 1 - SHARE / 2
  }

  /** A second attempt has begun. */
  spend(): void {
    this.#left -= 1
  }
}
