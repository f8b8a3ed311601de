import { isBlank } from '../../blank-text.ts'
import type { Delta, Final, Reply } from '../../service.ts'
import { withText } from '../../wire-delta.ts'
import type { Resumption } from './resumption.ts'
import { Splice } from './splice.ts'
import type { Seam } from './splice.ts'
import { sumStatistics } from './statistics.ts'

type Result = IteratorResult<Delta, Final>

/** Where two segments meet, while that is judged, and the pieces that wait for it. */
interface Meeting {
  readonly splice: Splice
  readonly deltas: Delta[]
}

/** A longer answer is not gone on from, in characters; so it need not be remembered. */
const LONGEST_TEXT = 64 * 1024
/** Blank pieces held back at the most: a model that says nothing else is in a loop. */
const MOST_HELD = 64

/**
 * The body of an answer that can be gone on from. It remembers what was shown, holds blank pieces back until more text
 * follows, as a half must not end in white space, and puts the next segment where one broke.
 */
export class ResumableBody implements AsyncGenerator<Delta, Final, void> {
  readonly #resumption: Resumption
  #reply: Reply
  /** What the caller has. */
  #text = ''
  #tokens = 0
  #lastPiece = ''
  /** Blank pieces that the caller does not have yet. */
  #held: Delta[] = []
  /** Pieces that are ready to be read. */
  #ready: Delta[] = []
  /** How it ends once they are. */
  #end: { readonly final: Final } | { readonly error: unknown } | undefined
  #seam: Meeting | undefined
  /** It can be gone on from. */
  #open = true
  #left = false

  constructor(reply: Reply, resumption: Resumption) {
    this.#reply = reply
    this.#resumption = resumption
  }

  next(): Promise<Result> {
    const delta = this.#ready.shift()
    if (delta !== undefined) return Promise.resolve({ value: delta, done: false })
    const end = this.#end
    if (end === undefined) return this.#pull()
    return 'final' in end ? Promise.resolve({ value: end.final, done: true }) : Promise.reject(end.error as Error)
  }

  /** The reader has gone: everything is given back at once. */
  async return(value: Final | PromiseLike<Final>): Promise<Result> {
    this.#left = true
    return await this.#reply.body.return(value)
  }

  async throw(error: unknown): Promise<Result> {
    this.#left = true
    return await this.#reply.body.throw(error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left = true
    await this.#reply.body[Symbol.asyncDispose]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #pull(): Promise<Result> {
    return this.#reply.body.next().then(this.#onResult, this.#onFailure)
  }

  readonly #onResult = (result: Result): Result | Promise<Result> => {
    if (result.done === true) return this.#onFinal(result.value)
    if (this.#seam !== undefined) return this.#atSeam(this.#seam, result.value)
    return this.#pass(result.value, result)
  }

  #pass(delta: Delta, result: Result): Result | Promise<Result> {
    if (this.#holds(delta)) return this.#pull()
    if (this.#held.length === 0) {
      if (this.#open) this.#shown(delta)
      return result
    }
    this.#show([...this.#held.splice(0), delta])
    return this.next()
  }

  /** Holds a blank piece back until it is known whether more text follows. */
  #holds(delta: Delta): boolean {
    if (!this.#open) return false
    if (delta.thinking !== undefined || delta.toolCalls !== undefined || this.#text.length > LONGEST_TEXT) {
      this.#open = false
      return false
    }
    if (!isBlank(delta.text) || this.#held.length >= MOST_HELD) return false
    this.#held.push(delta)
    return true
  }

  #shown({ text }: Delta): void {
    this.#text += text
    this.#lastPiece = text
    this.#tokens++
  }

  #show(deltas: readonly Delta[]): void {
    for (const delta of deltas) this.#shown(delta)
    this.#ready.push(...deltas)
  }

  #onFinal(final: Final): Promise<Result> {
    const seam = this.#seam
    if (seam !== undefined && !this.#decide(seam.deltas, seam.splice.end())) return this.next()
    this.#show(this.#held.splice(0))
    this.#end = { final: sumStatistics(final, this.#resumption.broken) }
    this.#resumption.whole(this.#reply.backend)
    return this.next()
  }

  readonly #onFailure = async (failure: unknown): Promise<Result> => {
    // What waited at a seam was never shown: the next segment brings it again.
    this.#seam = undefined
    const half = this.#text.trimEnd()
    try {
      const reply = this.#left ? undefined : await this.#goOn(failure, this.#open ? half : '')
      if (reply !== undefined) {
        this.#held = []
        this.#reply = reply
        this.#seam = { splice: new Splice(half, this.#text.slice(half.length)), deltas: [] }
        return await this.#pull()
      }
      this.#end = { error: failure }
    } catch (error) {
      this.#end = { error }
    }
    this.#show(this.#held.splice(0))
    return await this.next()
  }

  async #goOn(failure: unknown, half: string): Promise<Reply | undefined> {
    const reply = await this.#resumption.goOn(failure, { half, tokens: this.#tokens, lastPiece: this.#lastPiece })
    if (!this.#left || reply === undefined) return reply
    await reply.body[Symbol.asyncDispose]()
    return undefined
  }

  #atSeam({ splice, deltas }: Meeting, delta: Delta): Promise<Result> {
    deltas.push(delta)
    this.#decide(deltas, splice.push(delta.text))
    return this.next()
  }

  /** Acts on what is known of the seam; false when the answer ends here. */
  #decide(deltas: readonly Delta[], seam: Seam): boolean {
    if (seam.kind === 'open') return true
    this.#seam = undefined
    const { backend, body } = this.#reply
    if (seam.kind === 'restarted') {
      this.#end = { error: this.#resumption.restarted(backend) }
      void body[Symbol.asyncDispose]()
      return false
    }
    this.#resumption.resumed(this.#text.length, backend)
    for (const delta of withoutFirst(deltas, seam.chars)) {
      if (!this.#holds(delta)) this.#show([...this.#held.splice(0), delta])
    }
    return true
  }
}

/** The pieces without so many characters at their beginning. */
function withoutFirst(deltas: readonly Delta[], chars: number): Delta[] {
  let left = chars
  return deltas.flatMap((delta) => {
    const dropped = Math.min(left, delta.text.length)
    left -= dropped
    if (dropped === 0) return [delta]
    return dropped === delta.text.length ? [] : [withText(delta, delta.text.slice(dropped))]
  })
}
