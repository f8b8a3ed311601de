import type { Lease } from '../../backends/lease.ts'

/** A call that waits. */
export interface Waiting {
  readonly exclude: ReadonlySet<string>
  readonly sinceMs: number
  /** When the call itself began, with its first attempt. */
  readonly callSinceMs: number
  grant(lease: Lease): void
  refuse(error: unknown): void
  /** Tells the caller its place, 1 for the next. */
  place(position: number): void
}

/** Weight of the latest hold in the running mean. */
const MEAN_WEIGHT = 0.2
/** Callers further back than this are not told of every step forward. */
const TOLD_PLACES = 20

/** The calls that wait for one model, first come first served. Leaving costs the same from every place. */
export class ModelQueue {
  readonly model: string
  readonly #waiting = new Set<Waiting>()
  /** Since when no backend is usable for this model; `undefined` while one is. */
  notReadySinceMs: number | undefined
  #meanHoldMs: number | undefined

  constructor(model: string) {
    this.model = model
  }

  get length(): number {
    return this.#waiting.size
  }

  get first(): Waiting | undefined {
    return this.#waiting.values().next().value
  }

  [Symbol.iterator](): IterableIterator<Waiting> {
    return this.#waiting.values()
  }

  has(waiting: Waiting): boolean {
    return this.#waiting.has(waiting)
  }

  add(waiting: Waiting): void {
    this.#waiting.add(waiting)
  }

  /** Takes it out; false when it was not there any more. */
  remove(waiting: Waiting): boolean {
    return this.#waiting.delete(waiting)
  }

  /** How long a slot was held, the measure of the expected wait. */
  held(forMs: number): void {
    this.#meanHoldMs =
      this.#meanHoldMs === undefined ? forMs : this.#meanHoldMs + (forMs - this.#meanHoldMs) * MEAN_WEIGHT
  }

  /** What a call at this place has to expect, with so many slots; `undefined` until a hold was measured. */
  expectedWaitMs(position: number, slots: number): number | undefined {
    return this.#meanHoldMs === undefined ? undefined : Math.round((this.#meanHoldMs * position) / Math.max(slots, 1))
  }

  /** Tells the first ones their new places. */
  tellPlaces(): void {
    let position = 0
    for (const waiting of this.#waiting) {
      if (++position > TOLD_PLACES) return
      waiting.place(position)
    }
  }
}
