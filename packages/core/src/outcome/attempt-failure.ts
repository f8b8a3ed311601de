import type { Verdict } from './verdict.ts'

/** How the transport says that an attempt failed, before the first token or in the body: with its verdict. */
export class AttemptFailure extends Error {
  readonly verdict: Verdict
  readonly backend: string
  /** Which attempt it was, where that is not the one that was begun. */
  readonly attempt: number | undefined
  /** The failure of the other one of two attempts side by side; it is counted already. */
  readonly beside: AttemptFailure | undefined

  constructor(
    verdict: Verdict,
    backend: string,
    { attempt, beside }: { readonly attempt?: number; readonly beside?: AttemptFailure } = {},
  ) {
    super(verdict.error.message, { cause: verdict.error })
    this.name = 'AttemptFailure'
    this.verdict = verdict
    this.backend = backend
    this.attempt = attempt
    this.beside = beside
  }
}
