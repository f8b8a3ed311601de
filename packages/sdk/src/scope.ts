import { SurefootError } from '@surefoot/protocol'

import type { SdkRuntime } from './runtime/runtime.ts'

/** How much longer than the deadline the client waits: the server's own error says more than ours. */
const DEADLINE_GRACE_MS = 1000

/** A deadline in weeks is left to the server: timers cannot hold it. */
const LONGEST_DEADLINE_MS = 2 ** 31 - 1 - DEADLINE_GRACE_MS

/** The life of one call: who may end it, and that nothing of it is left behind. */
export interface Scope extends Disposable {
  /** Aborted when the caller ends the call, with the caller's reason. */
  readonly caller: AbortSignal
  /** Aborted when the caller ends the call or its time is over; ends the HTTP request. */
  readonly request: AbortSignal
  /** Ends the call in the caller's name. */
  stop(reason: unknown): void
}

/** Opens the scope of one call. Disposing it removes its listener and its timer. */
export function openScope(
  options: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number | undefined },
  runtime: SdkRuntime,
): Scope {
  const { signal, deadlineMs } = options
  const caller = new AbortController()
  const request = new AbortController()
  const stop = (reason: unknown): void => {
    caller.abort(reason)
    request.abort(reason)
  }
  const onAbort = (): void => stop(signal?.reason)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  const cancelTimer =
    deadlineMs !== undefined && deadlineMs <= LONGEST_DEADLINE_MS
      ? runtime.setTimer(deadlineMs + DEADLINE_GRACE_MS, () => request.abort(deadlineError(deadlineMs)))
      : undefined
  return {
    caller: caller.signal,
    request: request.signal,
    stop,
    [Symbol.dispose]() {
      signal?.removeEventListener('abort', onAbort)
      cancelTimer?.()
    },
  }
}

function deadlineError(deadlineMs: number): SurefootError {
  return new SurefootError({
    code: 'DEADLINE_EXCEEDED',
    message: `The call took longer than its deadline of ${deadlineMs} ms.`,
  })
}
