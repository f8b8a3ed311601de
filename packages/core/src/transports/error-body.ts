import type { Failure } from '../outcome/failure.ts'
import { retryAfterMs } from './retry-after.ts'

/** Of an error body only the beginning is read. */
const LARGEST_ERROR_BYTES = 4096

/** An answer with another status than 200, while it is read. */
export class ErrorBody {
  readonly #status: number
  readonly #retryAfterMs: number | undefined
  #text = ''

  constructor(status: number, retryAfter: string | string[] | undefined, nowMs: number) {
    this.#status = status
    this.#retryAfterMs = retryAfterMs(retryAfter, nowMs)
  }

  /** Some more of it; false when enough was read. */
  push(chunk: Buffer): boolean {
    this.#text += chunk.toString('utf8', 0, LARGEST_ERROR_BYTES)
    return this.#text.length < LARGEST_ERROR_BYTES
  }

  failure(elapsedMs: number): Failure {
    return { kind: 'status', status: this.#status, body: this.#text, retryAfterMs: this.#retryAfterMs, elapsedMs }
  }
}
