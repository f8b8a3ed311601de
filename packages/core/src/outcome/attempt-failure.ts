import type { Verdict } from './verdict.ts'

/** How the transport says that an attempt failed, before the first token or in the body: with its verdict. */
export class AttemptFailure extends Error {
  readonly verdict: Verdict
  readonly backend: string

  constructor(verdict: Verdict, backend: string) {
    super(verdict.error.message, { cause: verdict.error })
    this.name = 'AttemptFailure'
    this.verdict = verdict
    this.backend = backend
  }
}
