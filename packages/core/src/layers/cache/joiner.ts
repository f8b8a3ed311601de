import type { Call, CallContext, Delta, Final } from '../../service.ts'
import type { SharedRun } from './shared-run.ts'

type Result = IteratorResult<Delta, Final>

/** One of those who wait for the answer of a run; what they read it by. */
export class Joiner implements AsyncGenerator<Delta, Final, void> {
  readonly #run: SharedRun
  readonly #context: CallContext
  /** It wants the whole answer or none, of a run that shows it piece by piece. */
  readonly #wantsWhole: boolean
  readonly #begun = Promise.withResolvers<void>()
  #hasBegun = false
  /** Its place in what the run has said. */
  #at = 0
  #waiting: PromiseWithResolvers<Result> | undefined
  /** Why it reads no further. */
  #left: { readonly reason: unknown } | undefined
  #hasAll = false

  constructor(run: SharedRun, { buffered }: Call, context: CallContext) {
    this.#run = run
    this.#context = context
    this.#wantsWhole = buffered && !run.buffered
    // Whoever leaves early may not wait for it.
    this.#begun.promise.catch(() => {})
    context.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Resolves at the commit point; for who wants the answer whole, once all of it is there. Rejects with why it is not. */
  get begun(): Promise<void> {
    return this.#begun.promise
  }

  /** The answer broke in the middle, and nothing of it was shown here. */
  get isUntouched(): boolean {
    return this.#wantsWhole && !this.#hasBegun && this.#run.reply !== undefined
  }

  /** Its reader has had the answer to its end. */
  get hasAll(): boolean {
    return this.#hasAll
  }

  /** Something is new. */
  wake(): void {
    this.#passNews()
    if (!this.#hasBegun) this.#begin()
    const waiting = this.#waiting
    const result = waiting === undefined ? undefined : this.#take()
    if (waiting === undefined || result === undefined) return
    this.#waiting = undefined
    waiting.resolve(result)
  }

  next(): Promise<Result> {
    if (this.#left !== undefined) return Promise.reject(this.#left.reason as Error)
    const result = this.#take()
    if (result !== undefined) return Promise.resolve(result)
    this.#waiting = Promise.withResolvers()
    const { promise } = this.#waiting
    this.#run.pull()
    return promise
  }

  async return(value: Final | PromiseLike<Final>): Promise<Result> {
    this.leave(new DOMException('The reader has left', 'AbortError'))
    return { value: await value, done: true }
  }

  async throw(error: unknown): Promise<Result> {
    this.leave(error)
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return(undefined as never)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Tells its caller what the run was told, up to the next piece of text. A place in a queue is told only while it counts. */
  #passNews(): void {
    const { log, firstAttempt } = this.#run
    const offset = this.#context.attempt - firstAttempt
    for (let item = log[this.#at]; item !== undefined && item.type !== 'delta'; item = log[this.#at]) {
      this.#at++
      if (item.type === 'attempt' || item.type === 'resumed') {
        this.#context.emit(offset === 0 ? item : { ...item, attempt: item.attempt + offset })
      } else if (this.#at === log.length) this.#context.emit(item)
    }
  }

  #begin(): void {
    const { reply, end } = this.#run
    if (end !== undefined && 'error' in end) {
      this.#begun.reject(end.error)
    } else if (this.#wantsWhole && end === undefined) this.#run.pull()
    else if (reply !== undefined) {
      this.#hasBegun = true
      this.#begun.resolve()
    }
  }

  /** The next piece, the end, or the failure; `undefined` while there is none. */
  #take(): Result | Promise<Result> | undefined {
    this.#passNews()
    const { log, end } = this.#run
    const item = log[this.#at]
    if (item?.type === 'delta') {
      this.#at++
      return { value: item, done: false }
    }
    if (end === undefined) return undefined
    if ('error' in end) return Promise.reject(end.error as Error)
    this.#hasAll = true
    return { value: end.final, done: true }
  }

  readonly #onAbort = (): void => this.leave(this.#context.signal.reason)

  /** It reads no further, and has let go of everything. */
  leave(reason: unknown): void {
    if (this.#left !== undefined) return
    this.#left = { reason }
    this.#context.signal.removeEventListener('abort', this.#onAbort)
    this.#begun.reject(reason)
    this.#waiting?.reject(reason)
    this.#waiting = undefined
    this.#run.leave(this, reason)
  }
}
