import type { Backend } from '../../backends/backend.ts'
import type { Fleet } from '../../backends/fleet.ts'
import { hasBetter, leavesAtMs, leavesAtOnce, whyItLeaves } from './call-patience.ts'
import type { Outlook } from './call-patience.ts'
import { slotsOf } from './capacity.ts'
import type { ModelQueue } from './model-queue.ts'
import type { Refuse } from './overdue.ts'
import type { Patience } from './patience.ts'
import { prepareModel } from './prepare-model.ts'
import type { Waiting } from './waiting.ts'

/** After a call went another way as no backend was usable, one that comes back is waited for so long, by the next calls. */
const MISSED_MS = 30_000

/** What it does to those who wait. */
export interface ImpatienceDeps {
  readonly refuse: Refuse
  /** A call went another way as no backend was usable. */
  onMissed(): void
}

/** Those that wait although they could be answered in another way: lets them go when that is the better one. */
export class Impatience {
  readonly #fleet: Fleet
  readonly #patience: Patience
  readonly #deps: ImpatienceDeps
  #missedAtMs = Number.NEGATIVE_INFINITY

  constructor(fleet: Fleet, patience: Patience, deps: ImpatienceDeps) {
    this.#fleet = fleet
    this.#patience = patience
    this.#deps = deps
  }

  /** Whether calls would use a backend that comes back, though none waits for it. */
  isBackendMissed(nowMs: number): boolean {
    return nowMs - this.#missedAtMs < MISSED_MS
  }

  /** Whether a newcomer went another way at once. */
  turnsAway(queue: ModelQueue, waiting: Waiting, usable: readonly Backend[], nowMs: number): boolean {
    const better = hasBetter(this.#fleet, waiting)
    const outlook = outlookOf(queue, usable, nowMs)
    if (better !== undefined) this.#deps.refuse(queue, waiting, better)
    else if (leavesAtOnce(queue, waiting, outlook)) this.#letGo(queue, waiting, outlook)
    else return false
    return true
  }

  /** When it goes another way, or may have to. */
  leavesAtMs(queue: ModelQueue, waiting: Waiting, usable: readonly Backend[], nowMs: number): number {
    const untilMs = leavesAtMs(queue, waiting, outlookOf(queue, usable, nowMs))
    return Math.min(untilMs, this.#betterAtMs(waiting, nowMs))
  }

  /** Before anything is granted: whoever waits for a lesser model goes back to a better one that can be asked again. */
  releaseToBetter(queue: ModelQueue): void {
    for (const waiting of queue.impatient) {
      const reason = hasBetter(this.#fleet, waiting)
      if (reason !== undefined) this.#deps.refuse(queue, waiting, reason)
    }
  }

  /** Lets go whose patience is over; returns when that of the next one may be. */
  refuse(queue: ModelQueue, usable: readonly Backend[], nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    if (queue.impatient.size === 0) return nextMs
    // Also where all of them leave because of the load: it is for those that come later.
    prepareModel(queue, usable)
    const outlook = outlookOf(queue, usable, nowMs)
    for (const waiting of queue.impatient) {
      const atMs = leavesAtMs(queue, waiting, outlook)
      if (nowMs >= atMs) this.#letGo(queue, waiting, outlook)
      else nextMs = Math.min(nextMs, atMs, this.#betterAtMs(waiting, nowMs))
    }
    return nextMs
  }

  /** When time alone may bring a better model back. */
  #betterAtMs({ applicant }: Waiting, nowMs: number): number {
    const models = applicant.patience?.ready?.insteadOf ?? []
    return Math.min(...models.map((model) => this.#patience.usableAtMs({ model }, [], nowMs)))
  }

  #letGo(queue: ModelQueue, waiting: Waiting, outlook: Outlook): void {
    this.#deps.refuse(queue, waiting, whyItLeaves(this.#fleet, queue, waiting, outlook))
    if (outlook.usable.length > 0) return
    this.#missedAtMs = outlook.nowMs
    this.#deps.onMissed()
  }
}

function outlookOf({ model }: ModelQueue, usable: readonly Backend[], nowMs: number): Outlook {
  return { usable, slots: slotsOf(usable, model), nowMs }
}
