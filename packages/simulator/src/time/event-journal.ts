/** One line of a run: when, what, and up to two numbers that say of whom. */
export type TraceLine = (atMs: number, what: string, subject: number, detail: string | number) => void

/**
 * All that happens in a world, folded into one hash in the order it happens: the same seed gives the same hash, and any
 * difference in time, order or content another one. With a tracer, each line is also shown.
 */
export class EventJournal {
  #low = 0x811c9dc5
  #high = 0x1b873593
  readonly #codes = new Map<string, number>()
  readonly #trace: TraceLine | undefined

  constructor(trace?: TraceLine) {
    this.#trace = trace
  }

  /** The hash so far, 16 hex digits. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }

  note(atMs: number, what: string, subject: number, detail: string | number = ''): void {
    this.#fold(this.#codeOf(what))
    // Times are sums of doubles and so exactly the same each time; their whole precision counts.
    this.#fold(Math.floor(atMs))
    this.#fold(Math.floor((atMs % 1) * 1e9))
    this.#fold(subject)
    this.#fold(typeof detail === 'number' ? detail : this.#codeOf(detail))
    this.#trace?.(atMs, what, subject, detail)
  }

  #codeOf(text: string): number {
    let code = this.#codes.get(text)
    if (code === undefined) {
      code = 0x811c9dc5
      for (let index = 0; index < text.length; index++) code = Math.imul(code ^ text.charCodeAt(index), 0x01000193)
      this.#codes.set(text, code)
    }
    return code
  }

  #fold(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193)
    this.#high = Math.imul((this.#high << 13) | (this.#high >>> 19), 5) ^ (value + 0x6546b64 + this.#low)
  }
}
