import type { Priority } from '@surefoot/protocol'

import type { Call, CallContext } from './service.ts'

/** Until when there must be an answer, on the monotonic clock: of all who wait for it, who waits the longest. */
export function deadlineAtMsOf({ terms, deadlineAtMs }: Pick<CallContext, 'terms' | 'deadlineAtMs'>): number {
  return terms?.deadlineAtMs ?? deadlineAtMs
}

/** How important the answer is: to whom of all who wait for it, it is the most. */
export function priorityOf({ priority }: Call, { terms }: Pick<CallContext, 'terms'>): Priority | undefined {
  return terms?.priority ?? priority
}
