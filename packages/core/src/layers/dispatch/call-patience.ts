import type { SurefootError } from '@surefoot/protocol'

import type { Backend } from '../../backends/backend.ts'
import type { Fleet } from '../../backends/fleet.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import type { ModelQueue } from './model-queue.ts'
import { notReady, outOfPatience } from './refusals.ts'
import type { Waiting } from './waiting.ts'

/** What the others of a queue have to expect, too. */
export interface Outlook {
  /** The backends an attempt for this model may go to. */
  readonly usable: readonly Backend[]
  /** Their slots together. */
  readonly slots: number
  readonly nowMs: number
}

/** When a call that has another way to answer stops waiting; now, when waiting is in vain. */
export function leavesAtMs(queue: ModelQueue, { applicant }: Waiting, { usable, nowMs }: Outlook): number {
  const { patience } = applicant
  if (patience === undefined) return Number.POSITIVE_INFINITY
  if (patience.ready !== undefined) {
    return usable.length > 0 ? patience.untilMs : Math.min(patience.untilMs, patience.ready.untilMs)
  }
  if (usable.length === 0) return nowMs
  const loadMs = expectedLoadMs(usable, queue.model, nowMs) ?? 0
  return nowMs + loadMs > patience.untilMs ? nowMs : patience.untilMs
}

/** The same for one that has just come: later its place only gets better. */
export function leavesAtOnce(queue: ModelQueue, waiting: Waiting, outlook: Outlook): boolean {
  const { patience } = waiting.applicant
  if (patience === undefined) return false
  const { nowMs, slots } = outlook
  if (leavesAtMs(queue, waiting, outlook) <= nowMs) return true
  if (patience.ready !== undefined) return false
  const waitMs = queue.expectedWaitMs(queue.placeOf(waiting), slots) ?? 0
  return nowMs + waitMs > patience.untilMs
}

/** Why it stops waiting. */
export function whyItLeaves(fleet: Fleet, queue: ModelQueue, waiting: Waiting, outlook: Outlook): SurefootError {
  const { usable, slots, nowMs } = outlook
  if (usable.length === 0) return notReady(fleet, queue.model, nowMs)
  const waitMs = queue.expectedWaitMs(queue.placeOf(waiting), slots)
  const loadMs = expectedLoadMs(usable, queue.model, nowMs)
  return outOfPatience(queue.model, nowMs - waiting.sinceMs, loadMs === undefined ? waitMs : loadMs)
}

/** A model that it was meant for can be asked again: it is not to wait for, nor to be answered by, a lesser one. */
export function hasBetter(fleet: Fleet, { applicant }: Waiting): BetterModelBack | undefined {
  const models = applicant.patience?.ready?.insteadOf
  return models?.some((model) => fleet.usable(model).length > 0) === true ? new BetterModelBack() : undefined
}

/** How long it takes until the model is in memory somewhere; `undefined` when it may be already, or nobody can say. */
function expectedLoadMs(usable: readonly Backend[], model: string, nowMs: number): number | undefined {
  let leastMs: number | undefined
  for (const backend of usable) {
    const readiness = backend.readiness(model)
    if (readiness === 'ready' || readiness === 'unknown') return undefined
    const load = backend.loading(model)
    const wholeMs = load === undefined ? backend.expectedLoadMs(model) : load.expectedMs
    if (wholeMs === undefined) return undefined
    const leftMs = Math.max(0, wholeMs - (load === undefined ? 0 : nowMs - load.sinceMs))
    leastMs = Math.min(leastMs ?? leftMs, leftMs)
  }
  return leastMs
}
