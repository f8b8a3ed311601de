import type { Backend } from '../../backends/backend.ts'
import type { Fleet } from '../../backends/fleet.ts'
import { slotsOf } from './capacity.ts'
import type { ModelQueue } from './model-queue.ts'
import type { Patience } from './patience.ts'
import { prepareModel, tellLoading } from './prepare-model.ts'
import { notReady, queueTimeout } from './refusals.ts'
import type { Waiting } from './waiting.ts'

/** Takes a call out of its queue and turns it away. */
export type Refuse = (queue: ModelQueue, waiting: Waiting, error: unknown) => void

/** Those that have waited for too long: turns them away. */
export class Overdue {
  readonly #fleet: Fleet
  readonly #patience: Patience
  readonly #refuse: Refuse

  constructor(fleet: Fleet, patience: Patience, refuse: Refuse) {
    this.#fleet = fleet
    this.#patience = patience
    this.#refuse = refuse
  }

  /**
   * Turns away those of all who may go everywhere. Returns when the next one of them has waited too long, for a slot or for a
   * backend.
   */
  refuse(queue: ModelQueue, usable: readonly Backend[], nowMs: number): number {
    const giveUpAtMs = this.#patience.giveUpAtMs(queue, queue.notReadySinceMs, nowMs)
    let nextMs = Number.POSITIVE_INFINITY
    for (const waiting of queue) {
      if (waiting.isChoosy) continue
      const untilMs = giveUpAtMs?.(waiting) ?? Number.POSITIVE_INFINITY
      const overdueAtMs = this.#patience.overdueAtMs(queue, waiting, usable)
      if (nowMs >= untilMs) this.#refuse(queue, waiting, notReady(this.#fleet, queue.model, nowMs))
      else if (nowMs >= overdueAtMs) this.#refuse(queue, waiting, queueTimeout(queue.model, nowMs - waiting.sinceMs))
      else {
        nextMs = Math.min(nextMs, untilMs, overdueAtMs)
        // First come, first overdue.
        if (giveUpAtMs === undefined) break
      }
    }
    return nextMs
  }

  /**
   * One that may not go everywhere waits for less than the others do: for a backend, or a load, of its own. Returns when
   * time alone will change something for it.
   */
  standBy(queue: ModelQueue, waiting: Waiting, nowMs: number): number {
    const { model } = queue
    const { eligible } = waiting.applicant
    const usable = this.#fleet.usable(model, eligible)
    const sinceMs = waiting.notReadySinceMs
    waiting.notReadySinceMs = usable.length > 0 ? undefined : (sinceMs ?? nowMs)
    const giveUpAtMs = this.#patience.givesUpAtMs(queue, waiting, waiting.notReadySinceMs, nowMs)
    const overdueAtMs = this.#patience.overdueAtMs(queue, waiting, usable)
    if (nowMs >= giveUpAtMs) this.#refuse(queue, waiting, notReady(this.#fleet, model, nowMs))
    else if (nowMs >= overdueAtMs) this.#refuse(queue, waiting, queueTimeout(model, nowMs - waiting.sinceMs))
    else {
      const loading = prepareModel(queue, usable)
      if (loading !== undefined) tellLoading(waiting, loading, model)
      else if ((sinceMs === undefined) !== (waiting.notReadySinceMs === undefined)) {
        queue.tellPlace(waiting, queue.placeOf(waiting), slotsOf(usable, model))
      }
      return Math.min(giveUpAtMs, overdueAtMs, this.#patience.usableAtMs(queue, usable, nowMs, eligible))
    }
    return Number.POSITIVE_INFINITY
  }
}
