/** The longest line that is accepted; the limit of Ollama's own Go client. */
export const LONGEST_LINE_BYTES: number = 8 * 1024 * 1024

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Cuts a byte stream into lines, without copying a line that arrives whole. A line is everything before a line feed; one
 * carriage return before it is not part of it; empty lines are left out.
 */
export class LineSplitter {
  readonly #onLine: (line: Buffer) => void
  /** Pieces of a line whose end has not come yet. */
  #pieces: Buffer[] = []
  #heldBytes = 0

  constructor(onLine: (line: Buffer) => void) {
    this.#onLine = onLine
  }

  /** Feeds some bytes. False when a line is longer than allowed; nothing more may be fed then. */
  push(chunk: Buffer): boolean {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const piece = chunk.subarray(start, end)
      if (this.#heldBytes + piece.length > LONGEST_LINE_BYTES) return false
      this.#line(this.#heldBytes === 0 ? piece : this.#joined(piece))
      start = end + 1
    }
    if (start === chunk.length) return true
    const rest = chunk.subarray(start)
    this.#pieces.push(rest)
    this.#heldBytes += rest.length
    return this.#heldBytes <= LONGEST_LINE_BYTES
  }

  /** The stream has ended: what is held is the last line. */
  end(): void {
    if (this.#heldBytes > 0) this.#line(this.#joined(Buffer.alloc(0)))
  }

  #joined(piece: Buffer): Buffer {
    const line = Buffer.concat([...this.#pieces, piece])
    this.#pieces = []
    this.#heldBytes = 0
    return line
  }

  #line(line: Buffer): void {
    const whole = line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line
    if (whole.length > 0) this.#onLine(whole)
  }
}
