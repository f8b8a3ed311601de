import { BoundedMap } from './bounded-map.ts'
import { ParallelLimit } from './parallel-limit.ts'
import type { Seat } from './parallel-limit.ts'

/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

/**
 * Counts who holds a slot of one backend. Slots are per model, as Ollama's own are; all together never exceed the pool,
 * so that nothing waits inside the HTTP client.
 */
export class Slots {
  readonly #perModel: number | 'auto'
  readonly #inAll: number
  readonly #models = new BoundedMap<string, ParallelLimit>(MOST_MODELS, (limit) => limit.held === 0)
  #total = 0

  /** @param perModel `auto` finds out how many a backend serves at a time. */
  constructor(perModel: number | 'auto', inAll: number) {
    this.#perModel = perModel
    this.#inAll = inAll
  }

  /** Slots held now, over all models. */
  get held(): number {
    return this.#total
  }

  /** Slots of one model, as configured or as far as they are known. */
  sizeOf(model: string): number {
    return this.#models.get(model)?.limit ?? this.#newLimit().limit
  }

  /** Slots of one model that are held now. */
  heldBy(model: string): number {
    return this.#models.get(model)?.held ?? 0
  }

  isFree(model: string): boolean {
    if (this.#total >= this.#inAll) return false
    const limit = this.#models.get(model)
    return limit === undefined || limit.held < limit.limit
  }

  /** Whether one call more than is known to be served may be sent, to find out whether it is. */
  mayTry(model: string, nowMs: number): boolean {
    return this.#total < this.#inAll && this.#models.get(model)?.mayTry(nowMs) === true
  }

  take(model: string, nowMs: number): Seat {
    let limit = this.#models.get(model)
    if (limit === undefined) {
      limit = this.#newLimit()
      this.#models.set(model, limit)
    }
    const seat = limit.take(nowMs)
    this.#total++
    let held = true
    return {
      firstToken: (atMs) => seat.firstToken(atMs),
      giveBack: (atMs) => {
        if (!held) return
        held = false
        this.#total--
        seat.giveBack(atMs)
      },
      left: () => seat.left(),
      get queuedInside() {
        return seat.queuedInside
      },
    }
  }

  /** It restarted: what was found out may no longer hold. */
  forget(): void {
    for (const [model, limit] of this.#models) if (limit.held === 0) this.#models.delete(model)
  }

  #newLimit(): ParallelLimit {
    return this.#perModel === 'auto'
      ? new ParallelLimit(1, this.#inAll)
      : new ParallelLimit(Math.min(this.#perModel, this.#inAll))
  }
}
