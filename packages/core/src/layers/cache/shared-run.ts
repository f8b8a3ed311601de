import { AnswerBuilder } from '../../create-answer.ts'
import { errorOf } from '../../outcome/error-of.ts'
import type { Call, CallContext, CallEnd, CallPatience, Delta, Final, Reply, Service } from '../../service.ts'
import { Joiner } from './joiner.ts'
import { RunTerms } from './run-terms.ts'

/** What callers are told beside the text. */
export type RunNews = Parameters<CallContext['emit']>[0]

/** How a run ended. */
export type RunEnd = { readonly final: Final } | { readonly error: unknown }

/**
 * One question that is being answered for all who ask it. It has a life of its own: whoever began it may leave, and it ends
 * when the last of them does. What was said is kept once, in order, and each of them reads it from the beginning at its own
 * pace; the fastest one sets the pace at which more is fetched. A whole one can still be joined, until its answer is kept or
 * nobody is left.
 */
export class SharedRun {
  /** The answer is asked for whole: nothing is said before it is. */
  readonly buffered: boolean
  /** All that was said and told, in order. */
  readonly log: (Delta | RunNews)[] = []
  /** Its answer is where others find it. */
  isKept = false
  /** The number of its first attempt; callers count on from theirs. */
  readonly firstAttempt: number
  /** What is asked, in the words of whoever asked first. */
  readonly call: Call
  /** Of whoever asked first. */
  readonly #context: CallContext
  readonly #onOver: (run: SharedRun) => void
  readonly #terms = new RunTerms()
  readonly #controller = new AbortController()
  readonly #cleanups: ((end: CallEnd) => void)[] = []
  readonly #builder = new AnswerBuilder()
  readonly #joiners = new Set<Joiner>()
  #startedAtMs: number | undefined
  #patience: CallPatience | undefined
  #hasBegun = false
  #reply: Reply | undefined
  #end: RunEnd | undefined
  #attempts = 0
  #isPulling = false

  /**
   * @param onOver is called when there is nothing in it for anybody else.
   */
  constructor(call: Call, context: CallContext, onOver: (run: SharedRun) => void) {
    this.buffered = call.buffered
    this.firstAttempt = context.attempt
    this.call = call
    this.#context = context
    this.#startedAtMs = context.startedAtMs
    this.#patience = context.patience
    this.#onOver = onOver
  }

  /** Until then it waits for a slot, on the monotonic clock: as long as the most patient of its founders would. */
  get patientUntilMs(): number {
    return this.#patience?.untilMs ?? Number.POSITIVE_INFINITY
  }

  /** Who joins now is no founder: the queue has judged the call, or holds it, by what others wanted. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** The commit point, once it is reached: where the first token came from. */
  get reply(): Reply | undefined {
    return this.#reply
  }

  get end(): RunEnd | undefined {
    return this.#end
  }

  /** A backend has been asked. */
  get isAttempted(): boolean {
    return this.#attempts > 0
  }

  join(call: Call, context: CallContext): Joiner {
    if (!this.#hasBegun) {
      this.#startedAtMs = latest(this.#startedAtMs, context.startedAtMs)
      this.#patience = morePatient(this.#patience, context.patience)
    }
    const joiner = new Joiner(this, call, context)
    this.#joiners.add(joiner)
    this.#terms.add(joiner, { deadlineAtMs: context.deadlineAtMs, priority: call.priority ?? 'normal' })
    joiner.wake()
    return joiner
  }

  /** Asks, unless those who joined have left again. */
  begin(next: Service): void {
    if (this.#end !== undefined) return
    this.#hasBegun = true
    const context: CallContext = {
      ...this.#context,
      ...(this.#startedAtMs !== undefined && { startedAtMs: this.#startedAtMs }),
      patience: this.#patience,
      signal: this.#controller.signal,
      abort: (reason) => this.#stop(reason),
      terms: this.#terms,
      emit: (news) => this.#tell(news),
      defer: (cleanup) => this.#cleanups.push(cleanup),
    }
    next(this.call, context).then(this.#onReply, this.#onFailure)
  }

  /** Fetches more, unless that is under way. */
  pull(): void {
    if (this.#isPulling || this.#reply === undefined || this.#end !== undefined) return
    this.#isPulling = true
    this.#reply.body.next().then(this.#onResult, this.#onFailure)
  }

  /** One of them needs it no more; without the last one it ends at once. */
  leave(joiner: Joiner, reason: unknown): void {
    if (!this.#joiners.delete(joiner)) return
    this.#terms.remove(joiner)
    if (this.#joiners.size > 0) return
    if (this.#end === undefined) this.#stop(reason)
    else this.#onOver(this)
  }

  #stop(reason: unknown): void {
    if (this.#end !== undefined) return
    this.#over({ error: reason }, { kind: 'aborted' })
    this.#controller.abort(reason)
    if (this.#reply !== undefined) discard(this.#reply)
  }

  #tell(news: RunNews): void {
    if (this.#end !== undefined) return
    if (news.type === 'attempt') this.#attempts = Math.max(this.#attempts, news.attempt)
    this.#add(news)
  }

  #add(item: Delta | RunNews): void {
    this.log.push(item)
    for (const joiner of this.#joiners) joiner.wake()
  }

  readonly #onReply = (reply: Reply): void => {
    if (this.#end !== undefined) return discard(reply)
    this.#reply = reply
    for (const joiner of this.#joiners) joiner.wake()
  }

  readonly #onResult = (result: IteratorResult<Delta, Final>): void => {
    this.#isPulling = false
    if (this.#end !== undefined) return
    if (result.done === true) return this.#onFinal(result.value)
    this.#builder.add(result.value)
    this.#add(result.value)
  }

  #onFinal(final: Final): void {
    const { backend = '', how } = this.#reply ?? {}
    const about = { id: this.#context.id, attempts: this.#attempts, resumed: 0, backend, ...how }
    const answer = this.#builder.finish(final, about)
    this.#over({ final }, { kind: 'answered', answer })
  }

  readonly #onFailure = (error: unknown): void => {
    if (this.#end === undefined) this.#over({ error }, { kind: 'failed', error: errorOf(error) })
  }

  #over(end: RunEnd, callEnd: CallEnd): void {
    this.#end = end
    if ('error' in end) this.#onOver(this)
    for (const cleanup of this.#cleanups) cleanup(callEnd)
    for (const joiner of this.#joiners) joiner.wake()
  }
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b)
}

/** Those of one run differ in nothing but the times. */
function morePatient(a: CallPatience | undefined, b: CallPatience | undefined): CallPatience | undefined {
  if (a === undefined || b === undefined) return undefined
  const ready = a.ready && b.ready && { ...a.ready, untilMs: Math.max(a.ready.untilMs, b.ready.untilMs) }
  return { untilMs: Math.max(a.untilMs, b.untilMs), ready }
}

/** Nobody reads it: all it holds is given back. */
function discard({ body }: Reply): void {
  void body.return(undefined as never).catch(() => {})
}
