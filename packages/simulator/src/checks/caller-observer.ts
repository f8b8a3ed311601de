import type { ChatAnswer, RunEvent, SurefootError } from '@surefoot/protocol'

import type { CallRecord } from '../callers/call-record.ts'
import type { CallWatch } from '../callers/make-call.ts'
import type { Report } from './violation.ts'

/** A call may end so much later than its deadline. */
const GRACE_MS = 1_000

/** What watches callers is made with. */
export interface CallerObserverDeps {
  readonly nowMs: () => number
  /** The calls that have not ended. */
  readonly calls: ReadonlyMap<number, CallRecord>
  readonly report: Report
  readonly note: (what: string, subject: number, detail?: string | number) => void
  /** A call is answered, or its stream has begun; once a call. */
  readonly onSuccess: () => void
  /** A caller is told that it waits. */
  readonly onQueued: (call: CallRecord) => void
  readonly onAnswer: (call: CallRecord, answer: ChatAnswer) => void
  readonly onFailure: (call: CallRecord, error: SurefootError) => void
  /** A caller has come to the end of its call. */
  readonly onEnd: (call: CallRecord, outcome: string) => void
}

/** Sees what every caller sees, and holds I1 and I2 against it. */
export class CallerObserver implements CallWatch {
  readonly #deps: CallerObserverDeps
  /** Calls that core has ended and whose reader has not come to the end yet. */
  readonly #ended = new Set<number>()

  constructor(deps: CallerObserverDeps) {
    this.#deps = deps
  }

  saw(call: CallRecord, event: RunEvent): void {
    const { note, nowMs, report } = this.#deps
    // A slow reader reads of its place when it has long left it.
    if (event.type === 'queued' && call.question.readMs === undefined) {
      call.queuedSinceMs ??= nowMs()
      this.#deps.onQueued(call)
    }
    if (event.type === 'attempt' || event.type === 'loading') call.queuedSinceMs = undefined
    note(event.type, call.id, event.type === 'delta' ? event.text.length : '')
    if (event.type !== 'delta' || event.text === '') return
    if (call.firstTokenMs === undefined) this.#deps.onSuccess()
    call.firstTokenMs ??= nowMs()
    const fault = call.faultOfNext(event.text)
    if (fault !== undefined) report('I2', `call ${call.id}: ${fault}`)
  }

  answered(call: CallRecord, answer: ChatAnswer, finishes: number): void {
    const { report } = this.#deps
    const fault = call.faultOf(answer)
    if (fault !== undefined) report('I2', `call ${call.id}: ${fault}`)
    if (finishes !== 1) report('I1', `call ${call.id} finished ${finishes} times`)
    call.resumed = answer.resumed
    this.#deps.onAnswer(call, answer)
    if (call.firstTokenMs === undefined) this.#deps.onSuccess()
    this.#end(call, 'answered')
  }

  left(call: CallRecord): void {
    this.#end(call, 'left')
  }

  failed(call: CallRecord, error: SurefootError): void {
    const { report } = this.#deps
    if (error.partial !== undefined && !call.hasSeen(error.partial)) {
      report('I2', `call ${call.id}: its partial text is not what the caller has seen`)
    }
    if (error.code === 'INTERNAL') report('I1', `call ${call.id}: ${String(error.cause ?? error.message)}`)
    if (call.isFoundWrong && error.code !== 'INVALID_REQUEST') {
      report('I4', `call ${call.id}: a caller's mistake is told as ${error.code}`)
    }
    this.#deps.onFailure(call, error)
    this.#end(call, error.code)
  }

  broken(call: CallRecord, failure: unknown): void {
    this.#deps.report('I1', `call ${call.id} ended with ${String(failure)}`)
    this.#end(call, 'broken')
  }

  /** Told by core itself, once a call, whether or not its reader has come to the end yet. */
  endedInCore(id: number): void {
    const { calls, nowMs, report } = this.#deps
    const call = calls.get(id)
    if (call === undefined || this.#ended.has(id)) return report('I1', `call ${id} ended twice`)
    this.#ended.add(id)
    const lateMs = nowMs() - Math.min(call.deadlineAtMs, call.leftAtMs ?? Number.POSITIVE_INFINITY)
    if (lateMs > GRACE_MS) report('I1', `call ${id} ended ${Math.round(lateMs)} ms late`)
  }

  #end(call: CallRecord, outcome: string): void {
    if (!this.#ended.delete(call.id)) this.#deps.report('I1', `call ${call.id}: its caller is done before it has ended`)
    this.#deps.onEnd(call, outcome)
  }
}
