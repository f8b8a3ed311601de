/** Calls of the last minute count, the older the less. */
const MEMORY_MS = 60_000
/** Before so much time has passed a rate says nothing. */
const ENOUGH_MS = 1_000

/** How many calls come in, as a decaying average. */
export class ArrivalRate {
  #perMs = 0
  #atMs = 0
  #sinceMs: number | undefined

  arrived(nowMs: number): void {
    this.#sinceMs ??= nowMs
    this.#perMs = this.#decayed(nowMs) + 1 / MEMORY_MS
    this.#atMs = nowMs
  }

  /** Calls a millisecond; 0 until it means something. */
  perMs(nowMs: number): number {
    const forMs = nowMs - (this.#sinceMs ?? nowMs)
    if (forMs < ENOUGH_MS) return 0
    // The average began at nothing: what it could not have seen yet is no calm.
    return this.#decayed(nowMs) / (1 - Math.exp(-forMs / MEMORY_MS))
  }

  #decayed(nowMs: number): number {
    return this.#perMs * Math.exp((this.#atMs - nowMs) / MEMORY_MS)
  }
}
