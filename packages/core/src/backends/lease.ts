import type { Options } from '../load-options.ts'
import type { Verdict } from '../outcome/verdict.ts'
import type { Backend } from './backend.ts'
import type { AttemptHooks } from './liveness.ts'
import type { Residency } from './model-state.ts'

/** How an attempt ended: whole, given up by its caller, or failed as judged. */
export type AttemptEnd =
  | { readonly kind: 'whole' }
  /** `staysTakenMs`: its Ollama may not have noticed, so its slot is not given to the next one before that (F39). */
  | { readonly kind: 'left'; readonly staysTakenMs?: number | undefined }
  | { readonly kind: 'failed'; readonly verdict: Verdict }

/**
 * One attempt's queue place, breaker permit and slot in one hand. It is the only writer of its backend's state, and every
 * lease ends exactly once.
 */
export interface Lease {
  readonly backend: Backend
  readonly model: string
  /** What its model is loaded with as long as it is held: a request that names anything else makes Ollama load it anew. */
  readonly loadedWith?: Options | undefined
  /** What was known of the model when the lease was given, and what is known now. */
  residency(): Residency
  /** It may stand in the backend's own queue, behind calls that were sent before it: then silence says nothing. */
  queuedInside(): boolean
  /** From now on the attempt can be given up when its backend turns out to produce nothing. */
  watch(hooks: AttemptHooks): void
  firstToken(): void
  end(how: AttemptEnd): void
}
