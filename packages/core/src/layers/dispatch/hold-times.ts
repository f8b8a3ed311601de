/** So many of the latest are looked at; and from so few on they mean something. */
const WINDOW = 256
const ENOUGH = 8
/** Weight of the latest hold in the running mean. */
const MEAN_WEIGHT = 0.2
/** How much one call that was cut by its deadline, and one that was not, change the caution. */
const CUT_WEIGHT = 0.25
const WHOLE_WEIGHT = 0.001

/** How long calls for one model hold a slot: the measure of every expected wait. */
export class HoldTimes {
  readonly #latest: number[] = []
  #next = 0
  #sorted: readonly number[] | undefined
  #meanMs: number | undefined
  /** 0: as few as possible are turned away; 1: as few as possible are begun for nobody. */
  #caution = 0

  /** A call was answered whole. */
  whole(forMs: number): void {
    this.#latest[this.#next] = forMs
    this.#next = (this.#next + 1) % WINDOW
    this.#sorted = undefined
    this.#meanMs = this.#meanMs === undefined ? forMs : this.#meanMs + (forMs - this.#meanMs) * MEAN_WEIGHT
    this.#caution = Math.max(0, this.#caution - WHOLE_WEIGHT)
  }

  /** A call ran into its deadline while it was being answered: all its tokens were for nobody. */
  cut(): void {
    this.#caution = Math.min(1, this.#caution + CUT_WEIGHT)
  }

  /** In milliseconds; `undefined` until one was measured. */
  get meanMs(): number | undefined {
    return this.#meanMs
  }

  /** Half of them are shorter; `undefined` until some were measured. */
  get medianMs(): number | undefined {
    return this.#quantile(0.5)
  }

  /**
   * The time a call needs to be answered before its deadline, most likely: nine of ten are shorter, and the more calls were
   * cut of late, the closer it is to one and a half times the longest. `undefined` until some were measured.
   */
  get cautiousMs(): number | undefined {
    const ms = this.#quantile(0.9 + 0.1 * this.#caution)
    return ms === undefined ? undefined : ms * (1 + 0.5 * this.#caution)
  }

  #quantile(share: number): number | undefined {
    if (this.#latest.length < ENOUGH) return undefined
    this.#sorted ??= this.#latest.toSorted((a, b) => a - b)
    return this.#sorted[Math.min(Math.floor(share * this.#sorted.length), this.#sorted.length - 1)]
  }
}
