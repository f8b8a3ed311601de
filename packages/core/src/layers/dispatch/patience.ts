import type { Backend } from '../../backends/backend.ts'
import type { Eligible, Fleet } from '../../backends/fleet.ts'
import type { Readiness } from '../../backends/model-state.ts'
import type { Config } from '../../config/config.ts'
import type { ModelQueue } from './model-queue.ts'
import type { Waiting } from './waiting.ts'

/** The settings it goes by. */
export type PatienceOptions = Pick<Config, 'waitForReadyMs' | 'queueTimeoutMs'>

/** How long calls wait, and for what: the times at which something changes for them though nothing happens. */
export class Patience {
  readonly #fleet: Fleet
  readonly #options: PatienceOptions

  constructor(fleet: Fleet, options: PatienceOptions) {
    this.#fleet = fleet
    this.#options = options
  }

  /**
   * When a call stops waiting for a backend to come back; its own failed probes meanwhile do not lengthen that.
   * `undefined` while one is usable.
   */
  giveUpAtMs(
    { model }: ModelQueue,
    notReadySinceMs: number | undefined,
    nowMs: number,
    eligible?: Eligible,
  ): ((waiting: Waiting) => number) | undefined {
    if (notReadySinceMs === undefined) return undefined
    const downSinceMs = this.#fleet.downSinceMs(eligible)
    const patienceMs = this.#patienceMs(model, nowMs)
    return downSinceMs === undefined
      ? (waiting) => Math.max(notReadySinceMs, waiting.sinceMs) + patienceMs
      : (waiting) => Math.max(downSinceMs, waiting.callSinceMs) + patienceMs
  }

  /** The same for one call, which may not go everywhere; infinity while a backend is usable. */
  givesUpAtMs(queue: ModelQueue, waiting: Waiting, notReadySinceMs: number | undefined, nowMs: number): number {
    const untilMs = this.giveUpAtMs(queue, notReadySinceMs, nowMs, waiting.applicant.eligible)
    return untilMs?.(waiting) ?? Number.POSITIVE_INFINITY
  }

  /** Nobody waits for a model that no backend has; it would have to be pulled. */
  #patienceMs(model: string, nowMs: number): number {
    const { backends } = this.#fleet
    const missing = backends.every(
      (backend) => backend.models.avoided(model, nowMs, true)?.error.code === 'MODEL_NOT_FOUND',
    )
    // Where no backend is known yet, one may come.
    return missing && backends.length > 0 ? 0 : this.#options.waitForReadyMs
  }

  /**
   * When a call has waited too long for a slot. A load takes as long as it takes; the queue's patience begins after it. Calls
   * that a load has to wait for are waited for as those that hold the slots.
   */
  overdueAtMs({ model, loadedAtMs }: ModelQueue, waiting: Waiting, usable: readonly Backend[]): number {
    const onlyLoading = usable.length > 0 && !usable.some((backend) => hasCalls(backend.readiness(model)))
    return onlyLoading ? Number.POSITIVE_INFINITY : Math.max(waiting.sinceMs, loadedAtMs) + this.#options.queueTimeoutMs
  }

  /** When time alone makes another backend usable. One whose time is over waits for something else, and tells of it. */
  usableAtMs(
    { model }: Pick<ModelQueue, 'model'>,
    usable: readonly Backend[],
    nowMs: number,
    eligible?: Eligible,
  ): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const backend of this.#fleet.backends) {
      // From then on it has no vote on what the model's tag stands for: then others may be.
      const givenUpAtMs = usable.length === 0 ? backend.waitedForUntilMs : undefined
      if (givenUpAtMs !== undefined && givenUpAtMs > nowMs) atMs = Math.min(atMs, givenUpAtMs)
      if (usable.includes(backend) || eligible?.(backend) === false) continue
      const backAtMs = backend.usableAtMs(model, this.#fleet.isLast(backend, model, eligible))
      if (backAtMs !== undefined && backAtMs > nowMs) atMs = Math.min(atMs, backAtMs)
      atMs = Math.min(atMs, backend.suspectUntilMs ?? atMs)
    }
    return atMs
  }
}

function hasCalls(readiness: Readiness): boolean {
  return readiness === 'ready' || readiness === 'outgrown'
}
