import type { SurefootError } from '@surefoot/protocol'

/**
 * What kind of failure it was; decides whom it is held against. The classes of section 1 of the reliability reference.
 *
 * - `client`: our caller's mistake, `missing`: this backend lacks the model, another may have it.
 * - `overload`, `loading`: nobody's fault.
 * - `connect`, `node`: the backend's fault. `model`: the fault of this model on this backend.
 * - `stream`: a fault after the first token.
 * - `poison`: the fault of the request, on which the runners of two backends crashed.
 */
export type FailureClass =
  | 'client'
  | 'missing'
  | 'overload'
  | 'loading'
  | 'connect'
  | 'node'
  | 'model'
  | 'stream'
  | 'poison'

/** Everything the other parts need to know about one failed attempt; `classify` alone decides it. */
export interface Verdict {
  readonly class: FailureClass
  /** What the caller is told when nothing else helps. */
  readonly error: SurefootError
  /** It cost the backend nothing: retried outside `maxRetries` and the budget. */
  readonly cheap: boolean
  /** Where asking again makes sense: not at all, only on another backend, or also on the same one. */
  readonly retry: 'never' | 'elsewhere' | 'anywhere'
  /** The first retry may go at once to the same backend; false after overload and a Retry-After. */
  readonly prompt: boolean
  /** The same backend is not asked before that. */
  readonly sameAfterMs?: number
  /** This model is not sent to this backend for that long, unless there is no other. */
  readonly avoidModelMs?: number
  /** No connection could be made: nobody was there (`seen`); or it broke, as it does when a backend goes (`maybe`). */
  readonly away?: 'seen' | 'maybe'
  /** The pool's idle sockets may be dead too: the next attempt needs a fresh one. */
  readonly staleSockets?: boolean
  /** The model's runner died of this request or with it (F7, F8); a connection that broke or a proxy's words are none. */
  readonly crash?: boolean
  /** Its runner died with it, or all of the backend's did: what was believed to be in memory is not. */
  readonly memoryLost?: 'model' | 'all'
  /** Memory does not suffice for the model with the options it was asked with. */
  readonly tooLarge?: boolean
}
