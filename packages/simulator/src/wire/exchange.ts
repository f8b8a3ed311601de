import type { Connection } from '@surefoot/core'

/** Whom undici tells what happens to a request. */
export type WireHandler = Parameters<Connection['dispatch']>[3]
type Controller = Parameters<NonNullable<WireHandler['onResponseData']>>[0]

/** How an exchange ended, seen from the client. */
export type ExchangeEnd = 'whole' | 'status' | 'cut' | 'refused' | 'aborted'

/**
 * One request and its answer on the wire, with the manners of undici: the handler is told once of the end, an abort
 * tells it at once, a paused reader gets nothing.
 */
export class Exchange implements Controller {
  readonly path: string
  readonly body: Buffer | null
  readonly #handler: WireHandler
  readonly #onEnd: (exchange: Exchange, how: ExchangeEnd) => void
  aborted = false
  paused = false
  reason: Error | null = null
  rawHeaders: null = null
  rawTrailers: null = null
  /** 0 until the head has come. */
  status = 0
  ended = false
  /** It has a socket; before that nothing has reached the server. */
  started = false
  /** The server sent the whole answer with its end mark. */
  wasAnswered = false
  /** The server said that the request itself is wrong. */
  wasWrong = false
  /** The server said, before a token, that it is broken: nothing else can be meant by it. */
  wasBroken = false
  /** The server left out a part of the prompt without a word. */
  wasCut = false
  /** What the server said of a prompt that did not fit. */
  overflow: string | undefined
  /** How long the server asked to be left alone, in milliseconds. */
  retryAfterMs: number | undefined
  /** Pieces of the answer that have been delivered. */
  pieces = 0
  /** What the server does when its client leaves. */
  onLeave: (() => void) | undefined
  #held: (() => void)[] = []

  constructor(
    path: string,
    body: Buffer | null,
    handler: WireHandler,
    onEnd: (exchange: Exchange, how: ExchangeEnd) => void,
  ) {
    this.path = path
    this.body = body
    this.#handler = handler
    this.#onEnd = onEnd
  }

  /** The request goes out on its socket. */
  start(): void {
    this.started = true
    this.#handler.onRequestStart?.(this, {})
  }

  head(status: number, headers: Record<string, string> = {}): void {
    if (this.ended) return
    this.status = status
    if (headers['retry-after'] !== undefined) this.retryAfterMs = Number(headers['retry-after']) * 1_000
    this.#handler.onResponseStart?.(this, status, headers)
  }

  data(chunk: Buffer): void {
    if (this.ended) return
    if (this.paused) this.#held.push(() => this.data(chunk))
    else {
      this.pieces++
      this.#handler.onResponseData?.(this, chunk)
    }
  }

  end(): void {
    if (this.ended) return
    if (this.paused) {
      this.#held.push(() => this.end())
      return
    }
    this.#finish(this.status === 200 ? 'whole' : 'status')
    this.#handler.onResponseEnd?.(this, {})
  }

  /** The connection is lost: undici forgets what it has not delivered yet. */
  fail(code: string, message: string): void {
    if (this.ended) return
    this.#finish(code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' ? 'cut' : 'refused')
    this.#handler.onResponseError?.(this, Object.assign(new Error(message), { code }))
  }

  abort(reason: Error): void {
    if (this.ended) return
    this.aborted = true
    this.reason = reason
    this.#finish('aborted')
    this.onLeave?.()
    this.#handler.onResponseError?.(this, reason)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    const held = this.#held
    this.#held = []
    for (const deliver of held) deliver()
  }

  #finish(how: ExchangeEnd): void {
    this.ended = true
    this.#held = []
    this.#onEnd(this, how)
  }
}
