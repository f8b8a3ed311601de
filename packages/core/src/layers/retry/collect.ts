import type { Delta, Final, Reply } from '../../service.ts'

/** Reads a whole reply; what comes back is the same reply, which can no longer break. */
export async function collect({ backend, body }: Reply): Promise<Reply> {
  const deltas: Delta[] = []
  for (;;) {
    const { value, done } = await body.next()
    if (done === true) return { backend, body: new Replay(deltas, value) }
    deltas.push(value)
  }
}

/** Written out: an async generator waits three times for each piece, and there are hundreds of them. */
class Replay implements AsyncGenerator<Delta, Final, void> {
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
