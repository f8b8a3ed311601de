import type { Dispatcher } from 'undici'

import type { Connection } from '../connection.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Of an answer only the beginning is kept: it is an error, or it does not matter. */
const LARGEST_KEPT_BYTES = 4096

/** One request of our own and its end. */
export interface SingleRequest {
  /** What went wrong, as facts; `undefined` when the answer is whole. Never rejects. */
  readonly failure: Promise<Failure | undefined>
  /** Cuts it; it then counts as silent. */
  cancel(): void
}

/**
 * Sends one request of ours that is no caller's, a load or a canary, whose answer matters only as far as it is one.
 *
 * @param limitMs the time for the whole of it, in milliseconds.
 */
export function sendSingle(connection: Connection, body: object, limitMs: number, runtime: Runtime): SingleRequest {
  const { promise, resolve } = Promise.withResolvers<Failure | undefined>()
  const startedAtMs = runtime.clock.monotonicMs()
  const elapsedMs = (): number => runtime.clock.monotonicMs() - startedAtMs
  let controller: Dispatcher.DispatchController | undefined
  let cut: Error | undefined
  let status = 0
  let text = ''
  const end = (failure: Failure | undefined): void => {
    timer.cancel()
    resolve(failure)
  }
  const cancel = (): void => {
    end({ kind: 'silence', silentMs: elapsedMs(), gotToken: false })
    cut = new DOMException('Given up', 'AbortError')
    controller?.abort(cut)
  }
  const timer = runtime.timers.set(limitMs, cancel)
  connection.dispatch('POST', '/api/chat', Buffer.from(JSON.stringify(body)), {
    onRequestStart(given) {
      controller = given
      if (cut !== undefined) given.abort(cut)
    },
    onResponseStart(_controller, given) {
      status = given
    },
    onResponseData(_controller, chunk) {
      if (text.length < LARGEST_KEPT_BYTES) text += chunk.toString('utf8', 0, LARGEST_KEPT_BYTES)
    },
    onResponseEnd: () => end(failureOf(status, text, elapsedMs())),
    onResponseError: (_controller, cause) => end({ kind: 'network', cause, gotBytes: status !== 0, gotToken: false }),
  })
  return { failure: promise, cancel }
}

function failureOf(status: number, text: string, elapsedMs: number): Failure | undefined {
  if (status !== 200) return { kind: 'status', status, body: text, elapsedMs }
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    if (typeof error !== 'string') return undefined
    return { kind: 'error-line', text: error, gotToken: false, elapsedMs }
  } catch {
    return { kind: 'bad-line', gotToken: false }
  }
}
