import { SurefootError } from '@surefoot/protocol'

import { AttemptFailure } from './attempt-failure.ts'

/** The error that a caller is given for a failure. */
export function errorOf(failure: unknown): SurefootError {
  if (failure instanceof AttemptFailure) return failure.verdict.error
  if (SurefootError.is(failure)) return failure
  return new SurefootError({ code: 'INTERNAL', message: 'Surefoot itself failed while answering.' }, { cause: failure })
}
