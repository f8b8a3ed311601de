import { isBlank } from '../blank-text.ts'
import type { Delta, Final, Reply } from '../service.ts'
import { DeltaQueue } from './delta-queue.ts'

/** So many pieces of white space alone are kept back at the most: a model that says nothing else is in a loop. */
const MOST_BLANKS = 64

/** What is told of a reply. */
export interface ReplyWatch {
  /** The backend produces. */
  readonly onToken: () => void
  /** The reader has gone. */
  readonly onLeave: () => void
  /** The reader takes its time, or goes on. */
  readonly onPause: (paused: boolean) => void
}

/**
 * The reply of one attempt, promised until the commit point: the first piece that is more than white space. Until then
 * nobody has seen anything, and the call can be made again.
 */
export class PromisedReply {
  readonly #answer = Promise.withResolvers<Reply>()
  /** Resolves at the commit point; rejects when it fails before that. */
  readonly promise: Promise<Reply> = this.#answer.promise
  readonly #backend: string
  readonly #body: DeltaQueue
  readonly #onToken: () => void
  #gotToken = false
  #isCommitted = false
  #blanks = 0

  constructor(backend: string, { onToken, onLeave, onPause }: ReplyWatch) {
    this.#backend = backend
    this.#onToken = onToken
    this.#body = new DeltaQueue(onLeave, (paused) => {
      // Before the commit point nobody can read yet.
      if (!paused || this.#isCommitted) onPause(paused)
    })
  }

  /** The backend has produced something, be it white space. */
  get gotToken(): boolean {
    return this.#gotToken
  }

  /** The caller has a part of the answer. */
  get isCommitted(): boolean {
    return this.#isCommitted
  }

  push(delta: Delta): void {
    this.#body.push(delta)
    if (this.#isCommitted) return
    const isText = delta.thinking === undefined && delta.toolCalls === undefined
    if (isText && delta.text === '') return
    if (!this.#gotToken) {
      this.#gotToken = true
      this.#onToken()
    }
    if (!isText || !isBlank(delta.text) || ++this.#blanks > MOST_BLANKS) this.#commit()
  }

  finish(final: Final): void {
    this.#body.finish(final)
    this.#commit()
  }

  fail(error: unknown): void {
    this.#answer.reject(error)
    this.#body.fail(error)
  }

  #commit(): void {
    this.#isCommitted = true
    this.#answer.resolve({ backend: this.#backend, body: this.#body })
  }
}
