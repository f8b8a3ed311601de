import { AnswerBuilder } from '../../create-answer.ts'
import { errorOf } from '../../outcome/error-of.ts'
import type { Call, CallContext, CallEnd, Delta, Final, Reply, Service } from '../../service.ts'
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
  /** Until then it waits for a slot, on the monotonic clock: as long as whoever began it would. */
  readonly patientUntilMs: number
  readonly #id: string
  readonly #onOver: (run: SharedRun) => void
  readonly #terms = new RunTerms()
  readonly #controller = new AbortController()
  readonly #cleanups: ((end: CallEnd) => void)[] = []
  readonly #builder = new AnswerBuilder()
  readonly #joiners = new Set<Joiner>()
  #reply: Reply | undefined
  #end: RunEnd | undefined
  #attempts = 0
  #isPulling = false

  /**
   * @param first whose call begins it.
   * @param onOver is called when there is nothing in it for anybody else.
   */
  constructor({ buffered }: Call, { id, attempt, patience }: CallContext, onOver: (run: SharedRun) => void) {
    this.buffered = buffered
    this.firstAttempt = attempt
    this.patientUntilMs = patience?.untilMs ?? Number.POSITIVE_INFINITY
    this.#id = id
    this.#onOver = onOver
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
    const joiner = new Joiner(this, call, context)
    this.#joiners.add(joiner)
    this.#terms.add(joiner, { deadlineAtMs: context.deadlineAtMs, priority: call.priority ?? 'normal' })
    joiner.wake()
    return joiner
  }

  /** Asks, with what its first joiner asks; that one must have joined. */
  begin(next: Service, call: Call, first: CallContext): void {
    const context: CallContext = {
      ...first,
      signal: this.#controller.signal,
      abort: (reason) => this.#stop(reason),
      terms: this.#terms,
      emit: (news) => this.#tell(news),
      defer: (cleanup) => this.#cleanups.push(cleanup),
    }
    next(call, context).then(this.#onReply, this.#onFailure)
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
    const about = { id: this.#id, attempts: this.#attempts, resumed: 0, backend, ...how }
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

/** Nobody reads it: all it holds is given back. */
function discard({ body }: Reply): void {
  void body.return(undefined as never).catch(() => {})
}
