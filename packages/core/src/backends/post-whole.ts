import type { Dispatcher } from 'undici'

import type { Connection } from '../connection.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** An answer longer than this is none of those that are asked for here. */
const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024

/** How one request is bounded. */
export interface PostLimits {
  /** The time for the whole of it, in milliseconds. */
  readonly limitMs: number
  readonly signal: AbortSignal
  readonly runtime: Runtime
}

/** An answer, read to its end. */
export interface WholeAnswer {
  readonly status: number
  readonly body: string
}

/** A request of ours got no answer, or not the one it should have got: what was seen of it, to be judged. */
export class RequestBroken extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(`a request was not answered as it should be: ${failure.kind}`)
    this.name = 'RequestBroken'
    this.failure = failure
  }
}

/**
 * Sends one request and reads its answer whole. Rejects with the reason of the signal, or with `RequestBroken`; the socket
 * is cut then.
 */
export function postWhole(
  connection: Connection,
  path: string,
  body: object,
  { limitMs, signal, runtime }: PostLimits,
): Promise<WholeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<WholeAnswer>()
  let controller: Dispatcher.DispatchController | undefined
  let cut: Error | undefined
  let status = 0
  let bytes = 0
  const chunks: Buffer[] = []
  const settle = (): void => {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
  }
  const giveUp = (reason: unknown): void => {
    settle()
    reject(reason as Error)
    cut = reason instanceof Error ? reason : new DOMException('Aborted', 'AbortError')
    controller?.abort(cut)
  }
  const onAbort = (): void => giveUp(signal.reason)
  const timer = runtime.timers.set(limitMs, () =>
    giveUp(new RequestBroken({ kind: 'silence', silentMs: limitMs, gotToken: false })),
  )
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) {
    onAbort()
    return promise
  }
  connection.dispatch('POST', path, Buffer.from(JSON.stringify(body)), {
    onRequestStart(given) {
      controller = given
      if (cut !== undefined) given.abort(cut)
    },
    onResponseStart(_controller, given) {
      status = given
    },
    onResponseData(_controller, chunk) {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > LARGEST_ANSWER_BYTES) giveUp(new RequestBroken({ kind: 'bad-line', gotToken: false }))
    },
    onResponseEnd() {
      settle()
      resolve({ status, body: Buffer.concat(chunks).toString('utf8') })
    },
    onResponseError(_controller, cause) {
      settle()
      reject(new RequestBroken({ kind: 'network', cause, gotBytes: status !== 0, gotToken: false }))
    },
  })
  return promise
}
