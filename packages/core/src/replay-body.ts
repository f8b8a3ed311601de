import type { Delta, Final } from './service.ts'

/** A whole answer as a body. Written out: an async generator waits three times for each piece, and there are hundreds of them. */
export class ReplayBody implements AsyncGenerator<Delta, Final, void> {
  readonly #deltas: readonly Delta[]
  readonly #final: Final
  #at = 0

  constructor(deltas: readonly Delta[], final: Final) {
    this.#deltas = deltas
    this.#final = final
  }

  async next(): Promise<IteratorResult<Delta, Final>> {
    const delta = this.#deltas[this.#at++]
    return delta === undefined ? { value: this.#final, done: true } : { value: delta, done: false }
  }

  async return(value: Final | PromiseLike<Final>): Promise<IteratorResult<Delta, Final>> {
    return { value: await value, done: true }
  }

  async throw(error: unknown): Promise<IteratorResult<Delta, Final>> {
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  [Symbol.asyncIterator](): this {
    return this
  }
}
