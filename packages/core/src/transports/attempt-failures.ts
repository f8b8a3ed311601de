import type { Dispatcher } from 'undici'

import type { Lease } from '../backends/lease.ts'
import type { Connection } from '../connection.ts'
import { AttemptFailure } from '../outcome/attempt-failure.ts'
import { classify } from '../outcome/classify.ts'
import type { Judge } from '../outcome/crashes.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Verdict } from '../outcome/verdict.ts'
import type { Call, CallContext } from '../service.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

/** What the failures of one attempt are judged with. */
export interface AttemptFailuresDeps {
  readonly call: Call
  readonly context: CallContext
  readonly lease: Lease
  readonly connection: Connection
  readonly telemetry: Pick<Telemetry, 'emit'>
  readonly judge: Judge
}

/** Judges what went wrong with one attempt, leaves dead sockets behind, and tells of it where nobody above does. */
export class AttemptFailures {
  readonly #deps: AttemptFailuresDeps

  constructor(deps: AttemptFailuresDeps) {
    this.#deps = deps
  }

  /**
   * Its caller is told.
   *
   * @param isCommitted the caller has a part of the answer already.
   * @param handler the attempt, whose own socket is cut in another way.
   */
  seen(failure: Failure, isCommitted: boolean, handler: Dispatcher.DispatchHandler): AttemptFailure {
    const { call, context, judge } = this.#deps
    const verdict = judge(failure, this.#attempted, context)
    this.#renew(verdict, handler)
    // Before the commit point, and for who wants the answer whole, `retry` tells of it, `resume` where it goes on with it.
    if (isCommitted && !call.buffered && context.spent === undefined) this.#tell(verdict)
    return new AttemptFailure(verdict, this.#attempted.backend)
  }

  /** Its caller is not told any more; what it says of the backend is true all the same. */
  unseen(failure: Failure, handler: Dispatcher.DispatchHandler): Verdict {
    const verdict = classify(failure, this.#attempted)
    this.#renew(verdict, handler)
    this.#tell(verdict)
    return verdict
  }

  get #attempted(): { readonly backend: string; readonly model: string } {
    const { lease, call } = this.#deps
    return { backend: lease.backend.name, model: call.model }
  }

  #renew({ staleSockets }: Verdict, handler: Dispatcher.DispatchHandler): void {
    if (staleSockets === true) this.#deps.connection.renew(handler)
  }

  #tell({ error }: Verdict): void {
    const { telemetry, context } = this.#deps
    const { id, attempt } = context
    const { backend } = this.#attempted
    telemetry.emit({ type: 'attempt-fail', id, attempt, backend, code: error.code, problem: error.message })
  }
}
