/** Between two lines when the output is not a terminal. */
const LINE_EVERY_MS = 10_000
const REDRAW_EVERY_MS = 200

/** One line that tells how far it is: rewritten on a terminal, else a new line now and then. */
export class Progress {
  readonly #line: () => string
  readonly #isTerminal = process.stderr.isTTY
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(line: () => string) {
    this.#line = line
  }

  show(): void {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < (this.#isTerminal ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return
    this.#shownMs = nowMs
    process.stderr.write(this.#isTerminal ? `\r\u001b[2K${this.#line()}` : `${this.#line()}\n`)
  }

  end(): void {
    if (this.#isTerminal) process.stderr.write('\r\u001b[2K')
  }
}
