import { SurefootError } from '@surefoot/protocol'
import type { ErrorCode } from '@surefoot/protocol'

import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'

/** What no model could have done anything about. */
const NOBODYS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'INVALID_CONFIG',
  'SHUTTING_DOWN',
])

/**
 * Whether a failed call is held against the variant that it was given to. It is, whatever else could have answered: a
 * refusal because the queue is full or the deadline near says that this variant is too slow, a context that is too small
 * or a model that nobody has, that it was the wrong choice. It is not when the request was wrong, its caller left, or it waited in
 * the place of a model that came back.
 */
export function isHeldAgainst(failure: unknown, signal: AbortSignal): boolean {
  if (failure instanceof BetterModelBack) return false
  const reason: unknown = signal.aborted ? signal.reason : failure
  const error = reason instanceof AttemptFailure ? reason.verdict.error : reason
  if (SurefootError.is(error)) return !NOBODYS_FAULT.has(error.code)
  return !signal.aborted
}
