import type { Lease } from '../backends/lease.ts'
import { RequestBroken, postWhole } from '../backends/post-whole.ts'
import { renderRequest, renderedPrompt } from '../backends/render-prompt.ts'
import type { Connection } from '../connection.ts'
import { AttemptFailure } from '../outcome/attempt-failure.ts'
import { classify } from '../outcome/classify.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Call, CallContext } from '../service.ts'

/** What a rendering needs. */
export interface RenderDeps {
  readonly call: Call
  readonly context: CallContext
  readonly lease: Lease
  readonly connection: Connection
  readonly runtime: Runtime
  /** The longest it may take, in milliseconds. */
  readonly limitMs: number
}

/**
 * The prompt of a call as its model's template renders it. It is part of the attempt: when it fails, the attempt has, and
 * the lease is given back.
 */
export async function renderFor({ call, context, lease, connection, runtime, limitMs }: RenderDeps): Promise<string> {
  const startedAtMs = runtime.clock.monotonicMs()
  let failure: Failure
  try {
    const limits = { limitMs, signal: context.signal, runtime }
    const answer = await postWhole(connection, '/api/chat', renderRequest(call.request), limits)
    const prompt = renderedPrompt(answer)
    if (prompt !== undefined) return prompt
    const { status, body } = answer
    const elapsedMs = runtime.clock.monotonicMs() - startedAtMs
    failure = status === 200 ? { kind: 'bad-line', gotToken: false } : { kind: 'status', status, body, elapsedMs }
  } catch (error) {
    if (!(error instanceof RequestBroken)) {
      lease.end({ kind: 'left' })
      throw error
    }
    ;({ failure } = error)
  }
  const verdict = classify(failure, { backend: lease.backend.name, model: call.model })
  lease.end({ kind: 'failed', verdict })
  throw new AttemptFailure(verdict, lease.backend.name)
}
