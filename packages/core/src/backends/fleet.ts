import type { Backend } from './backend.ts'

/** All backends, and the questions that take more than one of them to answer. */
export class Fleet {
  readonly backends: readonly Backend[]

  constructor(backends: readonly Backend[]) {
    this.backends = backends
  }

  /** No other backend can take a call for this model: this one is tried sooner than it would be among several. */
  isLast(backend: Backend, model: string): boolean {
    return this.backends.every((other) => other === backend || !other.isUsable(model, false))
  }

  /** The backends an attempt for this model may go to, whether or not a slot is free. */
  usable(model: string): Backend[] {
    return this.backends.filter((backend) => backend.isUsable(model, this.isLast(backend, model)))
  }

  /** Whether a backend other than those would take an attempt. */
  hasOther(model: string, than: ReadonlySet<string>): boolean {
    return this.backends.some((backend) => !than.has(backend.name) && backend.isUsable(model, false))
  }

  /** Since when no breaker has been closed, however often one was probed meanwhile; `undefined` while one is. */
  get downSinceMs(): number | undefined {
    const times = this.backends.map((backend) => backend.breaker.downSinceMs)
    return times.reduce<number | undefined>(
      (latest, time) => (latest === undefined || time === undefined ? undefined : Math.max(latest, time)),
      Number.NEGATIVE_INFINITY,
    )
  }

  byName(name: string): Backend | undefined {
    return this.backends.find((backend) => backend.name === name)
  }
}
