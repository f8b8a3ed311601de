import type { Delta, Final } from '../../service.ts'

type Result = IteratorResult<Delta, Final>

/** A body whose end is judged before it is told: where the check rejects, the answer ends in that error and not in a finish. */
export class CheckedBody implements AsyncGenerator<Delta, Final, void> {
  readonly #body: AsyncGenerator<Delta, Final, void>
  readonly #check: (final: Final) => Promise<void>

  constructor(body: AsyncGenerator<Delta, Final, void>, check: (final: Final) => Promise<void>) {
    this.#body = body
    this.#check = check
  }

  next(): Promise<Result> {
    return this.#body.next().then(this.#onResult)
  }

  return(value: Final | PromiseLike<Final>): Promise<Result> {
    return this.#body.return(value)
  }

  throw(error: unknown): Promise<Result> {
    return this.#body.throw(error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#body[Symbol.asyncDispose]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  readonly #onResult = (result: Result): Result | Promise<Result> =>
    result.done === true ? this.#check(result.value).then(() => result) : result
}
