/**
 * Counts who holds a slot of one backend. Slots are per model, as Ollama's own are; all together never exceed the pool,
 * so that nothing waits inside the HTTP client.
 */
export class Slots {
  readonly #perModel: number
  readonly #inAll: number
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(perModel: number, inAll: number) {
    this.#perModel = perModel
    this.#inAll = inAll
  }

  /** Slots per model. */
  get size(): number {
    return Math.min(this.#perModel, this.#inAll)
  }

  /** Slots held now, over all models. */
  get held(): number {
    return this.#total
  }

  isFree(model: string): boolean {
    return this.#total < this.#inAll && (this.#held.get(model) ?? 0) < this.#perModel
  }

  take(model: string): void {
    this.#held.set(model, (this.#held.get(model) ?? 0) + 1)
    this.#total++
  }

  giveBack(model: string): void {
    const left = (this.#held.get(model) ?? 0) - 1
    if (left > 0) this.#held.set(model, left)
    else this.#held.delete(model)
    this.#total--
  }
}
