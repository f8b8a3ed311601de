import type { SurefootError } from '@surefoot/protocol'

import type { Config } from '../../config/config.ts'
import type { ModelQueue } from './model-queue.ts'
import { deadlineTooNear, queueFull, waitTooLong } from './refusals.ts'
import type { Waiting } from './waiting.ts'

/** The settings it goes by. */
export type AdmissionOptions = Pick<Config, 'maxQueueLength' | 'queueTimeoutMs'>

/** A queue that has not been empty for the time of so many answers is no burst that passes (CoDel's interval). */
const STANDING_HOLDS = 3
/** More comes in than can be done, with some room for chance. */
const OVERLOAD = 1.25
/** Whoever would be answered in nine of ten cases may wait. */
const LIKELY_SHARE = 0.9
/** Under overload a call that is cut by its deadline takes an answer from somebody else: only the safe ones wait. */
const SAFE_FACTOR = 3

/**
 * Why a call that would have to wait is turned away at once, with the wait that was measured; `undefined` when it may
 * wait. What cannot be answered in its time would only keep others from being answered in theirs (reference 2.5, 2.7).
 *
 * @param slots of all usable backends together, 0 when there is none it may go to, and how many of them are free as soon as
 *   their model is ready.
 */
export function refusalAtEntry(
  queue: ModelQueue,
  waiting: Waiting,
  { slots, free, nowMs }: { readonly slots: number; readonly free: number; readonly nowMs: number },
  { maxQueueLength, queueTimeoutMs }: AdmissionOptions,
): SurefootError | undefined {
  const { holds } = queue
  if (queue.length >= maxQueueLength + free) {
    return queueFull(queue.model, queue.length - free, queue.expectedWaitMs(queue.length, slots))
  }
  const waitMs = queue.expectedWaitMs(queue.placeOf(waiting), slots)
  const medianMs = holds.quantileMs(0.5)
  // Nothing is known yet, or nothing will become free soon: then time decides.
  if (waitMs === undefined || medianMs === undefined || slots === 0) return undefined
  if (waitMs > queueTimeoutMs) return waitTooLong(queue, waitMs)
  const leftMs = waiting.answerByMs - nowMs - waitMs
  // Some may always wait: a slot that becomes free must not stay empty because all deadlines are near.
  const isNext = waitMs <= (holds.meanMs ?? 0) / Math.max(slots, 1)
  return leftMs < (isNext ? medianMs : neededMs(queue, slots, nowMs)) ? deadlineTooNear(queue, waitMs) : undefined
}

/** The time that must be left for an answer when its turn comes. */
function neededMs({ holds, arrivals, standingSinceMs }: ModelQueue, slots: number, nowMs: number): number {
  const meanMs = holds.meanMs ?? 0
  const isStanding = standingSinceMs !== undefined && nowMs - standingSinceMs > meanMs * STANDING_HOLDS
  const load = (arrivals.perMs(nowMs) * meanMs) / Math.max(slots, 1)
  const ms = isStanding && load > OVERLOAD ? (holds.quantileMs(1) ?? 0) * SAFE_FACTOR : holds.quantileMs(LIKELY_SHARE)
  return ms ?? 0
}

/** Whether a call whose turn it is would most likely run into its deadline: then somebody else goes in its place. */
export function isTooLate({ holds }: ModelQueue, waiting: Waiting, nowMs: number): boolean {
  return waiting.answerByMs - nowMs < (holds.quantileMs(0.5) ?? 0)
}
