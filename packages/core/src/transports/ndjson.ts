/** The longest line that is accepted; the limit of Ollama's own Go client. */
export const LONGEST_LINE_BYTES: number = 8 * 1024 * 1024

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Room for a line that arrives in pieces, to begin with; it doubles as the line grows. */
const FIRST_ROOM_BYTES = 512

const NOTHING = Buffer.alloc(0)

/**
 * Cuts a byte stream into lines, without copying a line that arrives whole. A line is everything before a line feed; one
 * carriage return before it is not part of it; empty lines are left out. Whatever the pieces, the work grows with the
 * bytes alone, and what is held stays below twice the longest line.
 */
export class LineSplitter {
  readonly #onLine: (line: Buffer) => void
  /** The beginning of a line whose end has not come yet, and room for more. */
  #held: Buffer = NOTHING
  #heldBytes = 0

  constructor(onLine: (line: Buffer) => void) {
    this.#onLine = onLine
  }

  /** Feeds some bytes. False when a line is longer than allowed; nothing more may be fed then. */
  push(chunk: Buffer): boolean {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      if (this.#heldBytes > 0) {
        if (!this.#hold(chunk, start, end)) return false
        this.#line(this.#taken())
      } else if (end - start > LONGEST_LINE_BYTES) return false
      else if (end > start) this.#line(chunk.subarray(start, end))
      start = end + 1
    }
    return this.#hold(chunk, start, chunk.length)
  }

  /** The stream has ended: what is held is the last line. */
  end(): void {
    if (this.#heldBytes > 0) this.#line(this.#taken())
  }

  /** Adds a part of a chunk to the line that is held; false, and nothing is held any more, when that gets too long. */
  #hold(chunk: Buffer, start: number, end: number): boolean {
    if (start === end) return true
    const bytes = this.#heldBytes + end - start
    if (bytes > LONGEST_LINE_BYTES) {
      this.#taken()
      return false
    }
    if (bytes > this.#held.length) {
      const room = Math.min(Math.max(FIRST_ROOM_BYTES, bytes, 2 * this.#held.length), LONGEST_LINE_BYTES)
      const larger = Buffer.allocUnsafe(room)
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes = bytes
    return true
  }

  /** What was held. The reader of the line keeps it, so the next one gets room of its own. */
  #taken(): Buffer {
    const line = this.#held.subarray(0, this.#heldBytes)
    this.#held = NOTHING
    this.#heldBytes = 0
    return line
  }

  #line(line: Buffer): void {
    const whole = line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line
    if (whole.length > 0) this.#onLine(whole)
  }
}
