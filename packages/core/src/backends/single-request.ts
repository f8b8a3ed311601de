import type { Connection } from '../connection.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { RequestBroken, postWhole } from './post-whole.ts'

/** One request of our own and its end. */
export interface SingleRequest {
  /** What went wrong, as facts; `undefined` when the answer is whole. Never rejects. */
  readonly failure: Promise<Failure | undefined>
  /** Cuts it; it then counts as silent. */
  cancel(): void
}

/**
 * Sends one chat request of ours that is no caller's, a load or a canary, whose answer matters only as far as it is one.
 *
 * @param limitMs the time for the whole of it, in milliseconds.
 */
export function sendSingle(connection: Connection, body: object, limitMs: number, runtime: Runtime): SingleRequest {
  const controller = new AbortController()
  const startedAtMs = runtime.clock.monotonicMs()
  const elapsedMs = (): number => runtime.clock.monotonicMs() - startedAtMs
  const failure = postWhole(connection, '/api/chat', body, { limitMs, signal: controller.signal, runtime }).then(
    (answer) => failureOf(answer.status, answer.body, elapsedMs()),
    (cause: unknown): Failure =>
      cause instanceof RequestBroken ? cause.failure : { kind: 'silence', silentMs: elapsedMs(), gotToken: false },
  )
  return { failure, cancel: () => controller.abort() }
}

function failureOf(status: number, body: string, elapsedMs: number): Failure | undefined {
  if (status !== 200) return { kind: 'status', status, body, elapsedMs }
  try {
    const { error } = JSON.parse(body) as { error?: unknown }
    return typeof error === 'string' ? { kind: 'error-line', text: error, gotToken: false, elapsedMs } : undefined
  } catch {
    return { kind: 'bad-line', gotToken: false }
  }
}
