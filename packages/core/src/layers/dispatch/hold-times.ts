/** So many of the latest are looked at; and from so few on their spread means something. */
const WINDOW = 128
const ENOUGH = 8

/** How long calls for one model hold a slot: the measure of every expected wait. */
export class HoldTimes {
  readonly #latest: number[] = []
  #next = 0
  #sumMs = 0
  #sorted: readonly number[] | undefined

  /** A call was answered whole. */
  whole(forMs: number): void {
    this.#sumMs += forMs - (this.#latest[this.#next] ?? 0)
    this.#latest[this.#next] = forMs
    this.#next = (this.#next + 1) % WINDOW
    this.#sorted = undefined
  }

  /** In milliseconds; `undefined` until one was measured. */
  get meanMs(): number | undefined {
    return this.#latest.length === 0 ? undefined : this.#sumMs / this.#latest.length
  }

  /** That share of them is shorter; `undefined` until some were measured. */
  quantileMs(share: number): number | undefined {
    if (this.#latest.length < ENOUGH) return undefined
    this.#sorted ??= this.#latest.toSorted((a, b) => a - b)
    return this.#sorted[Math.min(Math.floor(share * this.#sorted.length), this.#sorted.length - 1)]
  }
}
