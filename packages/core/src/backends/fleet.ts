import type { Backend } from './backend.ts'
import { votedDigest, withSameDigest } from './digest-vote.ts'

/** Which backends a call may go to. */
export type Eligible = (backend: Backend) => boolean

/** All backends, and the questions that take more than one of them to answer. They come and go while it runs. */
export class Fleet {
  #backends: readonly Backend[]
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe = new Map<Backend, () => void>()

  constructor(backends: readonly Backend[]) {
    this.#backends = backends
    for (const backend of backends) this.#listenTo(backend)
  }

  get backends(): readonly Backend[] {
    return this.#backends
  }

  /** From now on calls may go there. */
  add(backend: Backend): void {
    this.#backends = [...this.#backends, backend]
    this.#listenTo(backend)
    this.#changed()
  }

  /** No new call goes there; what runs there is left alone. */
  remove(backend: Backend): void {
    this.#backends = this.#backends.filter((other) => other !== backend)
    this.#unsubscribe.get(backend)?.()
    this.#unsubscribe.delete(backend)
    this.#changed()
  }

  /** Calls back whenever something changed at one of them: what was impossible may be possible now. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * No other backend can take a call for this model: this one is tried sooner than it would be among several.
   *
   * @param eligible which backends the call may go to. @default all
   */
  isLast(backend: Backend, model: string, eligible?: Eligible): boolean {
    return this.#holding(model, eligible).every((other) => other === backend || !other.isUsable(model, false))
  }

  /** The backends an attempt for this model may go to, whether or not a slot is free; of all, or of those. */
  usable(model: string, eligible?: Eligible): Backend[] {
    const holding = this.#holding(model, eligible)
    const usable = holding.filter((backend) => backend.isUsable(model, false))
    // Where one is usable no other is the last; where none is, each of them is.
    return this.#preferred(
      usable.length > 0 ? usable : holding.filter((backend) => backend.isUsable(model, true)),
      model,
    )
  }

  /**
   * Whether a backend other than those would take an attempt.
   *
   * @param eligible which backends the call may go to. @default all
   */
  hasOther(model: string, than: ReadonlySet<string>, eligible?: Eligible): boolean {
    const usable = this.#holding(model, eligible).filter((backend) => backend.isUsable(model, false))
    return this.#preferred(usable, model).some((backend) => !than.has(backend.name))
  }

  /**
   * Since when no breaker has been closed, of all or of those, however often one was probed meanwhile; `undefined` while
   * one is, and where there is none of those.
   */
  downSinceMs(eligible?: Eligible): number | undefined {
    const backends = eligible === undefined ? this.#backends : this.#backends.filter(eligible)
    if (eligible !== undefined && backends.length === 0) return undefined
    const times = backends.map((backend) => backend.breaker.downSinceMs)
    return times.reduce<number | undefined>(
      (latest, time) => (latest === undefined || time === undefined ? undefined : Math.max(latest, time)),
      Number.NEGATIVE_INFINITY,
    )
  }

  /** What the model's tag stands for on most backends; `undefined` while that is not known of any. */
  digestOf(model: string): string | undefined {
    return votedDigest(this.#backends, model)
  }

  /** Since when the model runs on the CPU of this backend though it need not; `undefined` when it does not. */
  fellToCpuAtMs(backend: Backend, model: string): number | undefined {
    return backend.gpu.fellToCpuAtMs(model, () =>
      this.#backends.some((other) => other !== backend && other.gpu.isFull(model)),
    )
  }

  /**
   * Those of them that are not suspect, and of these the ones that do not run the model on the CPU by mistake; as far as
   * there are any. When more than half of all are suspect the looks are more likely wrong than the backends (panic).
   */
  #preferred(usable: Backend[], model: string): Backend[] {
    if (usable.length < 2) return usable
    const isPanic = this.#backends.filter((backend) => backend.suspect !== undefined).length * 2 > this.#backends.length
    const firm = isPanic ? usable : orAll(usable, (backend) => backend.suspect === undefined)
    return orAll(firm, (backend) => this.fellToCpuAtMs(backend, model) === undefined)
  }

  /** Those that stand for the same model by that name. */
  #holding(model: string, eligible?: Eligible): readonly Backend[] {
    const backends = eligible === undefined ? this.#backends : this.#backends.filter(eligible)
    return backends.length < 2 ? backends : withSameDigest(backends, model)
  }

  #listenTo(backend: Backend): void {
    this.#unsubscribe.set(
      backend,
      backend.onChange(() => this.#changed()),
    )
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Those for which it is true, or all when it is true for none. */
function orAll(backends: Backend[], isTrue: (backend: Backend) => boolean): Backend[] {
  const some = backends.filter(isTrue)
  return some.length > 0 ? some : backends
}
