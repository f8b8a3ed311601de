import { BoundedMap } from '../backends/bounded-map.ts'
import type { Clock } from '../runtime/runtime.ts'
import type { CallContext } from '../service.ts'
import { classify } from './classify.ts'
import type { Attempted, Failure } from './failure.ts'
import type { Verdict } from './verdict.ts'

/** Judges a failed attempt of a call. */
export type Judge = (failure: Failure, attempted: Attempted, call: Pick<CallContext, 'id' | 'defer'>) => Verdict

/** So long a backend's own crash speaks for the requests that crash there. */
const OWN_FAULT_MS = 3_600_000
/** Backends remembered at the most. */
const MOST_BACKENDS = 1_000

/**
 * Which runners crashed on which call: the memory behind the poison guard. A request whose runner crashed on two backends
 * is to blame itself and stops, or one bad prompt would take the whole fleet down in four attempts (section 2.2 of the
 * reliability reference).
 *
 * A backend that crashed on a request which was answered in the end crashes by itself; there a crash says nothing about
 * the request. So a fleet that fails at random does not make its callers guilty.
 */
export class Crashes {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #backendsByCall = new Map<string, Set<string>>()
  readonly #ownFaultAtMs = new BoundedMap<string, number>(MOST_BACKENDS)

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** Judges a failure with what is known of the same call on other backends, and remembers a crash. */
  readonly judge: Judge = (failure, attempted, { id, defer }) => {
    const crashedOn = this.#backendsByCall.get(id)
    const crashedElsewhere = this.#isItsOwnFault(attempted.backend) ? undefined : this.#other(crashedOn, attempted)
    const verdict = classify(failure, { ...attempted, crashedElsewhere })
    if (verdict.crash !== true) return verdict
    if (crashedOn === undefined) {
      const backends = new Set([attempted.backend])
      this.#backendsByCall.set(id, backends)
      defer((end) => {
        this.#backendsByCall.delete(id)
        if (end.kind !== 'answered') return
        for (const backend of backends) this.#ownFaultAtMs.set(backend, this.#clock.monotonicMs())
      })
    } else crashedOn.add(attempted.backend)
    return verdict
  }

  #other(crashedOn: ReadonlySet<string> | undefined, { backend }: Attempted): string | undefined {
    return [...(crashedOn ?? [])].find((other) => other !== backend && !this.#isItsOwnFault(other))
  }

  #isItsOwnFault(backend: string): boolean {
    const atMs = this.#ownFaultAtMs.get(backend)
    return atMs !== undefined && this.#clock.monotonicMs() - atMs < OWN_FAULT_MS
  }
}
