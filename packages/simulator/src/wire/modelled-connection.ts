import type { Connection } from '@surefoot/core'

import type { InfoAnswer } from '../ollama/info-answers.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { RequestFault } from '../ollama/request-fault.ts'
import type { RandomStream } from '../time/random-stream.ts'
import type { VirtualClock } from '../time/virtual-clock.ts'
import { Exchange } from './exchange.ts'
import type { ExchangeEnd, WireHandler } from './exchange.ts'

/** A short call gives up after this long, a probe after that long, as the real ones. */
const SHORT_CALL_MS = 3_000
const PROBE_MS = 1_000
/** A short call that fails is tried once more after this. */
const SHORT_CALL_AGAIN_MS = 50
/** How often a connection that the other side has closed is not noticed before it is used again (F36). */
const STALE_SHARE = 0.2

/** Who watches the wire. */
export interface WireWatch {
  dispatched(exchange: Exchange, ollama: ModelledOllama): void
  ended(exchange: Exchange, ollama: ModelledOllama, how: ExchangeEnd): void
}

/** What a connection is made with. */
export interface ConnectionDeps {
  readonly clock: VirtualClock
  readonly random: RandomStream
  readonly watch: WireWatch
  readonly connectTimeoutMs: number
}

/** The modelled way to one modelled Ollama, in the place of undici's pools. */
export class ModelledConnection implements Connection {
  readonly ollama: ModelledOllama
  readonly #deps: ConnectionDeps
  readonly #open = new Set<Exchange>()
  /** Idle sockets, by the life of the process at the other end. */
  #idle: number[] = []
  #isClosed = false

  constructor(ollama: ModelledOllama, deps: ConnectionDeps) {
    this.ollama = ollama
    this.#deps = deps
  }

  get sockets(): number {
    return this.#open.size + this.#idle.length
  }

  /** Exchanges under way. */
  get inFlight(): number {
    return this.#open.size
  }

  dispatch(method: 'GET' | 'POST', path: string, body: Buffer | null, handler: WireHandler): void {
    if (this.#isClosed) throw new Error('The connection is closed')
    const life = this.#idle.pop()
    const exchange = new Exchange(path, body, handler, (ended, how) => this.#onEnd(ended, how))
    this.#open.add(exchange)
    this.#deps.watch.dispatched(exchange, this.ollama)
    const fault = path === '/api/chat' || path === '/api/generate' ? this.ollama.drawFault() : undefined
    if (fault?.kind === 'refuse') return this.#refuse(exchange)
    if (life === undefined) return this.#connect(exchange, method, fault)
    exchange.start()
    if (life !== this.ollama.life) {
      this.#after(this.ollama.options.latencyMs, () => reset(exchange))
      return
    }
    this.#send(exchange, method, fault, true)
  }

  renew(): void {
    this.#idle = []
  }

  /** The process at the other end has died: what was under way is cut, idle sockets close, mostly noticed. */
  cut(): void {
    const { random } = this.#deps
    this.#idle = this.#idle.filter(() => random.chance(STALE_SHARE))
    // One after the other, as a process is told of its sockets.
    for (const exchange of this.#open) this.#after(0, () => reset(exchange))
  }

  readonly calls = {
    json: (path: string): Promise<unknown> => this.#json(path),
    probe: (): Promise<'answers' | 'away' | 'unclear'> => this.#probe(),
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#idle = []
    const open = [...this.#open]
    for (const exchange of open) exchange.fail('UND_ERR_DESTROYED', 'The client is destroyed')
  }

  #connect(exchange: Exchange, method: 'GET' | 'POST', fault: RequestFault | undefined): void {
    const { ollama } = this
    if (ollama.unreachable) {
      this.#after(this.#deps.connectTimeoutMs, () => exchange.fail('UND_ERR_CONNECT_TIMEOUT', 'Connect Timeout Error'))
    } else if (!ollama.isUp) this.#refuse(exchange)
    else {
      this.#after(ollama.options.latencyMs, () => {
        if (exchange.ended) return
        if (!ollama.isUp) return exchange.fail('ECONNREFUSED', 'connect ECONNREFUSED')
        exchange.start()
        this.#send(exchange, method, fault, false)
      })
    }
  }

  #refuse(exchange: Exchange): void {
    this.#after(this.ollama.options.latencyMs, () => exchange.fail('ECONNREFUSED', 'connect ECONNREFUSED'))
  }

  #send(exchange: Exchange, method: 'GET' | 'POST', fault: RequestFault | undefined, reused: boolean): void {
    const { ollama } = this
    // The handler may have left in the moment it was told of the start.
    if (exchange.ended) return
    this.#after(ollama.options.latencyMs, () => {
      if (exchange.ended) return
      if (fault?.kind === 'reset' && (reused || fault.reused !== true)) return reset(exchange)
      if (exchange.path === '/api/chat' || exchange.path === '/api/generate') {
        ollama.receive(exchange, exchange.path === '/api/chat' ? 'chat' : 'generate', fault)
      } else this.#answerShort(exchange, method)
    })
  }

  #answerShort(exchange: Exchange, method: 'GET' | 'POST'): void {
    const { ollama } = this
    const body = exchange.body === null ? {} : (JSON.parse(exchange.body.toString()) as { model?: string })
    const answer =
      method === 'POST' && exchange.path === '/api/show' ? ollama.show(body.model ?? '') : ollama.read(exchange.path)
    if (answer === undefined) return
    exchange.head(answer.status, { 'content-type': 'application/json; charset=utf-8' })
    exchange.data(Buffer.from(JSON.stringify(answer.json)))
    exchange.end()
  }

  #onEnd(exchange: Exchange, how: ExchangeEnd): void {
    this.#open.delete(exchange)
    if ((how === 'whole' || how === 'status') && !this.#isClosed) this.#idle.push(this.ollama.life)
    this.#deps.watch.ended(exchange, this.ollama, how)
  }

  async #json(path: string): Promise<unknown> {
    const answer = await this.#read(path, SHORT_CALL_MS)
    if (answer === undefined || answer.status !== 200) throw new Error(`no answer to ${path}`)
    return structuredClone(answer.json)
  }

  async #probe(): Promise<'answers' | 'away' | 'unclear'> {
    const answer = await this.#read('/api/version', PROBE_MS)
    if (answer?.status === 200) return 'answers'
    return answer === undefined && !this.ollama.isUp ? 'away' : 'unclear'
  }

  #read(path: string, withinMs: number): Promise<InfoAnswer | undefined> {
    const { ollama } = this
    const { latencyMs } = ollama.options
    const { promise, resolve } = Promise.withResolvers<InfoAnswer | undefined>()
    if (ollama.unreachable) this.#after(withinMs, () => resolve(undefined))
    else if (!ollama.isUp) this.#after(2 * latencyMs + SHORT_CALL_AGAIN_MS, () => resolve(undefined))
    else {
      this.#after(2 * latencyMs, () => {
        const answer = ollama.isUp ? ollama.read(path) : undefined
        if (answer === undefined) this.#after(ollama.isUp ? withinMs - 2 * latencyMs : 0, () => resolve(undefined))
        else resolve(answer)
      })
    }
    return promise
  }

  #after(delayMs: number, work: () => void): void {
    this.#deps.clock.at(delayMs, work)
  }
}

function reset(exchange: Exchange): void {
  exchange.fail('UND_ERR_SOCKET', 'other side closed')
}
