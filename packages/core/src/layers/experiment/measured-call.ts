import type { Runtime } from '../../runtime/runtime.ts'
import type { Call, CallContext, CallEnd } from '../../service.ts'
import type { Experiments } from './experiments.ts'
import { isHeldAgainst } from './held-against.ts'
import type { CallResult, Session, Trial } from './trial.ts'

/** What a call is measured with. */
export interface MeasuredCallDeps {
  readonly experiments: Experiments
  readonly runtime: Runtime
  readonly trial: Trial
  readonly session: Session
  readonly call: Pick<Call, 'buffered'>
  readonly context: Pick<CallContext, 'signal' | 'defer'>
}

/** What one call says of its variant. It counts once, however it ends; its pieces are not looked at. */
export class MeasuredCall {
  readonly #deps: MeasuredCallDeps
  readonly #startedAtMs: number
  #firstTokenMs: number | undefined
  #isOver = false

  constructor(deps: MeasuredCallDeps) {
    this.#deps = deps
    this.#startedAtMs = deps.runtime.clock.monotonicMs()
    deps.context.defer((end) => this.#ended(end))
  }

  /** The variant answers, or somebody else does in its place: then the call says nothing of it. */
  replied(isOwn: boolean): void {
    if (!isOwn) this.#isOver = true
    // An answer that was asked for as a whole arrives here as a whole.
    if (!this.#deps.call.buffered) this.#firstTokenMs = this.#elapsedMs()
  }

  /** It does not answer; a layer above may still find somebody who does. */
  rejected(failure: unknown): void {
    if (isHeldAgainst(failure, this.#deps.context.signal)) this.#count({ kind: 'failed' })
    this.#isOver = true
  }

  #ended(end: CallEnd): void {
    if (end.kind === 'answered') {
      const firstTokenMs = this.#firstTokenMs ?? this.#firstTokenByDurationMs(end.answer.eval_duration)
      this.#count({ kind: 'answered', statistics: end.answer, firstTokenMs })
    } else if (end.kind === 'failed') this.rejected(end.error)
    this.#isOver = true
  }

  #count(result: CallResult): void {
    if (this.#isOver) return
    this.#isOver = true
    const { experiments, trial, session, context } = this.#deps
    experiments.ended(trial, session, context.signal, result)
  }

  /** The first token of a whole answer came as long before its end as the model took for the answer. */
  #firstTokenByDurationMs(durationNs: number | undefined): number | undefined {
    return durationNs === undefined ? undefined : Math.max(0, this.#elapsedMs() - durationNs / 1e6)
  }

  #elapsedMs(): number {
    return this.#deps.runtime.clock.monotonicMs() - this.#startedAtMs
  }
}
