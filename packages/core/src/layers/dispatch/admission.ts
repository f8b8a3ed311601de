import type { SurefootError } from '@surefoot/protocol'

import type { Config } from '../../config/config.ts'
import type { ModelQueue } from './model-queue.ts'
import { deadlineTooNear, queueFull, waitTooLong } from './refusals.ts'
import type { Waiting } from './waiting.ts'

/** The settings it goes by. */
export type AdmissionOptions = Pick<Config, 'maxQueueLength' | 'queueTimeoutMs'>

/**
 * Why a call that would have to wait is turned away at once, with the wait that was measured; `undefined` when it may
 * wait. What cannot be answered in its time would only keep others from being answered in theirs (reference 2.5, 2.7).
 *
 * @param slots of all usable backends together, and how many of them are free as soon as their model is ready.
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
  // Nothing is known yet, or nothing will become free soon: then time decides.
  if (waitMs === undefined || holds.medianMs === undefined || queue.notReadySinceMs !== undefined) return undefined
  if (waitMs > queueTimeoutMs) return waitTooLong(queue, waitMs)
  const leftMs = waiting.deadlineAtMs - nowMs - waitMs
  // Some may always wait: a slot that becomes free must not stay empty because all deadlines are near.
  const cautiousMs = waitMs <= (holds.meanMs ?? 0) / Math.max(slots, 1) ? holds.medianMs : (holds.cautiousMs ?? 0)
  return leftMs < cautiousMs ? deadlineTooNear(queue, waitMs) : undefined
}

/** Whether a call that is about to begin would most likely run into its deadline: then somebody else goes first. */
export function isHopeless({ holds }: ModelQueue, waiting: Waiting, nowMs: number): boolean {
  return waiting.deadlineAtMs - nowMs < (holds.medianMs ?? 0)
}
