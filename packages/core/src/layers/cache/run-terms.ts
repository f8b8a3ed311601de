import type { Priority } from '@surefoot/protocol'

import type { Terms } from '../../service.ts'

/** The most important first. */
const ORDER: readonly Priority[] = ['critical', 'high', 'normal', 'low']

type Own = Pick<Terms, 'deadlineAtMs' | 'priority'>

/** The most generous deadline and priority among those who wait for one run; less again when the generous one leaves. */
export class RunTerms implements Terms {
  readonly #deadlines = new Map<object, Own>()
  /** How many there are of each priority. */
  readonly #counts = ORDER.map(() => 0)
  readonly #listeners = new Set<() => void>()
  #deadlineAtMs = Number.NEGATIVE_INFINITY

  get deadlineAtMs(): number {
    return this.#deadlineAtMs
  }

  get priority(): Priority {
    return ORDER[this.#counts.findIndex((count) => count > 0)] ?? 'normal'
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  add(whose: object, own: Own): void {
    const { deadlineAtMs, priority } = this
    this.#deadlines.set(whose, own)
    this.#count(own.priority, 1)
    this.#deadlineAtMs = Math.max(deadlineAtMs, own.deadlineAtMs)
    if (this.#deadlineAtMs === deadlineAtMs && this.priority === priority) return
    for (const listener of this.#listeners) listener()
  }

  remove(whose: object): void {
    const own = this.#deadlines.get(whose)
    if (own === undefined) return
    this.#deadlines.delete(whose)
    this.#count(own.priority, -1)
    if (own.deadlineAtMs < this.#deadlineAtMs) return
    this.#deadlineAtMs = Number.NEGATIVE_INFINITY
    for (const { deadlineAtMs } of this.#deadlines.values()) {
      this.#deadlineAtMs = Math.max(this.#deadlineAtMs, deadlineAtMs)
    }
  }

  #count(priority: Priority, by: 1 | -1): void {
    const at = ORDER.indexOf(priority)
    this.#counts[at] = (this.#counts[at] ?? 0) + by
  }
}
