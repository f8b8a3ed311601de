import type { Exchange } from '../wire/exchange.ts'
import type { ModelRequest } from './model-request.ts'
import { VOCABULARY } from './oracle.ts'
import type { OracleAnswer } from './oracle.ts'
import { FAILURE_TEXTS } from './request-fault.ts'
import type { Fit } from './prompt-window.ts'
import type { RequestFault } from './request-fault.ts'
import type { Job, Runner } from './runner.ts'
import { errorLine } from './wire-lines.ts'
import type { TokenLines } from './wire-lines.ts'

/** Tokens of every prompt where windows are not modelled. */
const USUAL_PROMPT = 26
/** A prompt that is too long is counted in this time. */
const READ_MS = 1

/** What a question is answered with, and who counts its tokens. */
export interface Asked {
  readonly answer: OracleAnswer
  /** Time to the first token of a model in memory. */
  readonly promptMs: number
  /** A token of it was made: for somebody who still listens, or for nobody. */
  onToken?(listening: boolean): void
}

/** What a generation needs of its Ollama. */
export interface GenerationHost {
  readonly tokenMs: number
  /** Multiplies all times. */
  readonly slow: number
  /** How long a slot stays taken after its client has left, in milliseconds. */
  readonly abortLagMs: number
  /** Runs it after that time, or, while the Ollama is stuck or frozen, once it is not any more. */
  later(delayMs: number, work: () => void): void
  lines(request: ModelRequest): TokenLines
  /** Whether an answer that goes on from a half begins with the half. */
  echoes(request: ModelRequest): boolean
  made(listening: boolean): void
  /** How its prompt fits; `undefined` where windows are not modelled. */
  fitOf(request: ModelRequest): Fit | undefined
  ended(generation: Generation): void
  /** The runner of this model has died under it. */
  crashed(runner: Runner, text: string): void
  nowMs(): number
}

/** One generation: from the slot to its last line, or to whatever ends it. */
export class Generation implements Job {
  readonly needsSlot = true
  readonly loadOptions: string
  readonly keepAliveMs: number | undefined
  readonly exchange: Exchange
  readonly #host: GenerationHost
  readonly runner: Runner
  readonly #request: ModelRequest
  readonly #asked: Asked
  readonly #fault: RequestFault | undefined
  readonly #lines: TokenLines
  readonly #arrivedMs: number
  #startedMs = 0
  #firstMs = 0
  #pieces: Uint16Array
  #next: number
  readonly #from: number
  readonly #end: number
  readonly #breakAt: number
  #running = false
  #ended = false
  #promptTokens = USUAL_PROMPT
  /** The half answer, until it has been repeated. */
  #echo = ''

  constructor(
    exchange: Exchange,
    request: ModelRequest,
    asked: Asked,
    fault: RequestFault | undefined,
    runner: Runner,
    host: GenerationHost,
  ) {
    this.exchange = exchange
    this.loadOptions = request.loadOptions
    this.keepAliveMs = request.keepAliveMs
    this.#request = request
    this.#asked = asked
    this.#fault = fault
    this.runner = runner
    this.#host = host
    this.#lines = host.lines(request)
    this.#arrivedMs = host.nowMs()
    if (host.echoes(request)) this.#echo = request.half
    this.#pieces = asked.answer.pieces
    this.#from = continueAt(request.half, asked.answer)
    if (this.#from < 0) {
      // Not the model's own words up to the border of a token: it goes on, but with other words.
      this.#pieces = this.#pieces.map((piece) => piece ^ 1)
      this.#from = Math.min(this.#pieces.length - 1, Math.max(0, -this.#from - 1))
    }
    this.#next = this.#from
    this.#end = Math.min(this.#pieces.length, this.#from + request.limit)
    const left = this.#end - this.#from
    this.#breakAt = fault?.kind === 'break' ? this.#from + Math.min(left, Math.floor(left * fault.atShare)) : -1
  }

  /** It has a slot now. */
  start(): void {
    this.#running = true
    this.#startedMs = this.#host.nowMs()
    this.exchange.onLeave = () => this.#onLeave()
    const fit = this.#host.fitOf(this.#request)
    if (fit?.kind === 'refused') return this.#host.later(READ_MS, () => this.#refuse(fit.text))
    if (fit?.kind === 'cut') this.exchange.wasCut = true
    this.#promptTokens = fit?.tokens ?? USUAL_PROMPT
    this.#host.later(this.#asked.promptMs * this.#factor, () => this.#token())
  }

  /** Its runner or its Ollama has died: nothing more comes of it. */
  die(): void {
    this.#ended = true
  }

  /** The runner says why it died, as far as there is anybody who listens. */
  breakWith(text: string): void {
    this.#ended = true
    const { exchange } = this
    if (exchange.ended) return
    if (exchange.status === 0) exchange.head(500)
    exchange.data(errorLine(text))
    exchange.end()
  }

  get #factor(): number {
    return this.#host.slow * (this.#fault?.kind === 'slow' ? this.#fault.factor : 1)
  }

  #token(): void {
    if (this.#ended) return
    if (this.#next === this.#breakAt) return this.#break()
    if (this.#next >= this.#end) return this.#finish()
    const { exchange } = this
    const listening = !exchange.ended
    this.#host.made(listening)
    this.#asked.onToken?.(listening)
    const piece = this.#pieces[this.#next] as number
    if (this.#next === this.#from) this.#firstMs = this.#host.nowMs()
    this.#next++
    if (this.#request.streamed) {
      if (exchange.status === 0) exchange.head(200, { 'content-type': 'application/x-ndjson' })
      this.#send(this.#echo === '' ? this.#lines.token(piece) : this.#lines.words(this.#echo + textOf(piece)))
      this.#echo = ''
    }
    // A reader that broke off at this token has ended it.
    if (!this.#ended) this.#host.later(this.#host.tokenMs * this.#factor, () => this.#token())
  }

  #send(line: Buffer): void {
    if (this.#fault?.kind !== 'drip') return this.exchange.data(line)
    const cut = 1 + ((this.#next * 7) % (line.length - 1))
    this.exchange.data(line.subarray(0, cut))
    this.exchange.data(line.subarray(cut))
  }

  #finish(): void {
    this.#ended = true
    const { exchange } = this
    const nowMs = this.#host.nowMs()
    const made = this.#end - this.#from
    const isCut = this.#end < this.#pieces.length
    const numbers = {
      total_duration: nanos(nowMs - this.#arrivedMs),
      load_duration: nanos(this.#startedMs - this.#arrivedMs),
      prompt_eval_count: this.#promptTokens,
      prompt_eval_duration: nanos(this.#firstMs - this.#startedMs),
      // The end token counts too.
      eval_count: isCut ? made : made + 1,
      eval_duration: nanos(nowMs - this.#firstMs),
    }
    const reason = isCut ? 'length' : 'stop'
    exchange.wasAnswered = true
    if (exchange.status === 0) exchange.head(200, { 'content-type': 'application/x-ndjson' })
    if (this.#request.streamed) exchange.data(this.#lines.last(reason, numbers))
    else {
      let text = this.#echo
      for (let index = this.#from; index < this.#end; index++) text += textOf(this.#pieces[index] as number)
      exchange.data(this.#lines.whole(text, reason, numbers))
    }
    exchange.end()
    this.#leave()
  }

  #break(): void {
    const fault = this.#fault as RequestFault & { kind: 'break' }
    const { exchange } = this
    if (fault.how === 'stall') return
    if (fault.how === 'out-of-memory') return this.#host.crashed(this.runner, FAILURE_TEXTS.outOfMemory)
    if (fault.how === 'error-line') return this.#host.crashed(this.runner, FAILURE_TEXTS.crashed)
    this.#ended = true
    if (fault.how === 'cut-in-line' && exchange.status !== 0) {
      const line = this.#lines.token(0)
      exchange.data(line.subarray(0, line.length >> 1))
    }
    if (fault.how === 'cut' || fault.how === 'cut-in-line') exchange.fail('UND_ERR_SOCKET', 'other side closed')
    else {
      if (exchange.status === 0) exchange.head(200, { 'content-type': 'application/x-ndjson' })
      if (fault.how === 'garbage') exchange.data(Buffer.from('<html><body>It works!</body></html>\n'))
      exchange.end()
    }
    this.#leave()
  }

  #refuse(text: string): void {
    if (this.#ended) return
    this.#ended = true
    const { exchange } = this
    exchange.overflow = text
    exchange.head(400, { 'content-type': 'application/json; charset=utf-8' })
    exchange.data(Buffer.from(text))
    exchange.end()
    this.#leave()
  }

  #leave(): void {
    this.#host.ended(this)
    this.runner.leave(this)
  }

  #onLeave(): void {
    if (!this.#running) return
    // Generation goes on for a moment, in which the slot stays taken.
    this.#host.later(this.#host.abortLagMs, () => {
      this.#ended = true
      this.#leave()
    })
  }
}

/**
 * Where a model goes on from a half answer, in pieces; -1 - n when it does not go on exactly. A half that ends within a
 * token or right after two line ends made of two tokens is read otherwise than it was written (ollama-behaviour.md 6.2).
 */
function continueAt(half: string, answer: OracleAnswer): number {
  if (half === '') return 0
  const pieces = answer.piecesIn(half)
  if (pieces === undefined) return -1 - Math.round(half.length / 6)
  const last =
    pieces > 1 ? textOf(answer.pieces[pieces - 1] as number) + textOf(answer.pieces[pieces - 2] as number) : ''
  return last === '\n\n' ? -1 - pieces : pieces
}

function textOf(piece: number): string {
  return VOCABULARY[piece] as string
}

function nanos(ms: number): number {
  return Math.max(1, Math.round(ms * 1e6))
}
