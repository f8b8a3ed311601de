import type { Delta, Final } from '../service.ts'

/** Deltas that may wait unread before the socket is paused, and the level at which it goes on. */
const PAUSE_AT = 256
const RESUME_AT = 64

type Waiter = { resolve(result: IteratorResult<Delta, Final>): void; reject(error: unknown): void }

/** The body of a reply: deltas as they come from the socket, read one by one, pausing the socket when nobody reads. */
export class DeltaQueue implements AsyncGenerator<Delta, Final, void> {
  readonly #onLeave: () => void
  readonly #pause: (paused: boolean) => void
  #deltas: Delta[] = []
  #head = 0
  #paused = false
  #waiter: Waiter | undefined
  #end: { readonly final: Final } | { readonly error: unknown } | undefined

  constructor(onLeave: () => void, pause: (paused: boolean) => void) {
    this.#onLeave = onLeave
    this.#pause = pause
  }

  push(delta: Delta): void {
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter.resolve({ value: delta, done: false })
      return
    }
    this.#deltas.push(delta)
    if (!this.#paused && this.#deltas.length - this.#head >= PAUSE_AT) {
      this.#paused = true
      this.#pause(true)
    }
  }

  finish(final: Final): void {
    this.#end ??= { final }
    this.#waiter?.resolve({ value: final, done: true })
    this.#waiter = undefined
  }

  fail(error: unknown): void {
    this.#end ??= { error }
    this.#waiter?.reject(error)
    this.#waiter = undefined
  }

  next(): Promise<IteratorResult<Delta, Final>> {
    const delta = this.#deltas[this.#head]
    if (delta !== undefined) {
      this.#advance()
      return Promise.resolve({ value: delta, done: false })
    }
    const end = this.#end
    if (end === undefined) {
      return new Promise((resolve, reject) => {
        this.#waiter = { resolve, reject }
      })
    }
    return 'final' in end ? Promise.resolve({ value: end.final, done: true }) : Promise.reject(end.error as Error)
  }

  /** The reader has gone: everything is given back at once. */
  async return(value: Final | PromiseLike<Final>): Promise<IteratorResult<Delta, Final>> {
    this.#onLeave()
    return { value: await value, done: true }
  }

  async throw(error: unknown): Promise<IteratorResult<Delta, Final>> {
    this.#onLeave()
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onLeave()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #advance(): void {
    this.#head++
    if (this.#head === this.#deltas.length) {
      this.#deltas = []
      this.#head = 0
    } else if (this.#head === PAUSE_AT) {
      // A reader that is always behind never empties it: what was read must not stay until the end.
      this.#deltas = this.#deltas.slice(PAUSE_AT)
      this.#head = 0
    }
    if (this.#paused && this.#deltas.length - this.#head <= RESUME_AT) {
      this.#paused = false
      this.#pause(false)
    }
  }
}
