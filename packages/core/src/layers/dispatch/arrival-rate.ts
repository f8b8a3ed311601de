/** Calls of the last minute count, the older the less. */
const MEMORY_MS = 60_000

/** How many calls come in, as a decaying average. */
export class ArrivalRate {
  #perMs = 0
  #atMs = 0

  arrived(nowMs: number): void {
    this.#perMs = this.perMs(nowMs) + 1 / MEMORY_MS
    this.#atMs = nowMs
  }

  /** Calls a millisecond. */
  perMs(nowMs: number): number {
    return this.#perMs * Math.exp((this.#atMs - nowMs) / MEMORY_MS)
  }
}
