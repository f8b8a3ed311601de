import type { Delta, Final } from '../service.ts'

/** Pieces of an answer that come when they come, for a reader that takes them when it likes. */
export class TextQueue {
  readonly #deltas: Delta[] = []
  #end: { readonly final: Final } | { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  push(delta: Delta): void {
    this.#deltas.push(delta)
    this.#wake?.()
  }

  /** No more comes; what has come can still be read. */
  finish(final: Final): void {
    this.#end ??= { final }
    this.#wake?.()
  }

  /** What has come and was not read is worth nothing. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return
    this.#deltas.length = 0
    this.#end = { error }
    this.#wake?.()
  }

  /** Resolves when there is something to read, or when it has ended, for a call that wants the answer whole. */
  async begun(isWhole: boolean): Promise<void> {
    while (this.#end === undefined && (isWhole || this.#deltas.length === 0)) await this.#news()
    if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error
  }

  /** @param left is called when the reader is gone, or has all of it. */
  async *body(left: () => void): AsyncGenerator<Delta, Final, void> {
    try {
      for (;;) {
        const delta = this.#deltas.shift()
        if (delta !== undefined) yield delta
        else if (this.#end === undefined) await this.#news()
        else if ('error' in this.#end) throw this.#end.error
        else return this.#end.final
      }
    } finally {
      left()
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}
