import type { RandomStream } from '../time/random-stream.ts'
import type { VirtualClock } from '../time/virtual-clock.ts'
import type { Exchange } from '../wire/exchange.ts'
import { Generation } from './generation.ts'
import type { Asked, GenerationHost } from './generation.ts'
import { createGenerationHost } from './generation-host.ts'
import { psAnswer, showAnswer, tagsAnswer } from './info-answers.ts'
import type { InfoAnswer } from './info-answers.ts'
import { ModelMemory } from './model-memory.ts'
import { canonicalName, readModelRequest, renderPrompt } from './model-request.ts'
import type { ModelRequest } from './model-request.ts'
import { ModelWords } from './model-words.ts'
import { OracleAnswer } from './oracle.ts'
import type { OllamaOptions } from './ollama-options.ts'
import { ProcessLife } from './process-life.ts'
import { BROKEN_TEXTS, FAILURE_TEXTS } from './request-fault.ts'
import type { FaultChance, RequestFault } from './request-fault.ts'
import type { Runner } from './runner.ts'
import { errorLine } from './wire-lines.ts'

/** What an Ollama needs of its world. */
export interface OllamaDeps {
  readonly clock: VirtualClock
  readonly random: RandomStream
  /** What a question is answered with; `undefined` for one that no caller asked. */
  readonly askedOf: (question: string, model: string, exchange: Exchange) => Asked | undefined
  /** A load was broken off because the client whose request had caused it has left. */
  readonly onBrokenOff: (exchange: Exchange, sinceMs: number) => void
  /** A model was loaded anew as that request named other options. */
  readonly onReload?: (exchange: Exchange, model: string, loadOptions: string) => void
}

/** One modelled Ollama: a process that can die, hang and crawl, its models, and what it does to each request. */
export class ModelledOllama {
  readonly options: OllamaOptions
  readonly memory: ModelMemory
  readonly #deps: OllamaDeps
  readonly #generations = new Set<Generation>()
  readonly #words: ModelWords
  readonly #host: GenerationHost
  readonly #process: ProcessLife
  slow = 1
  /** How long a slot stays taken after its client has left. */
  abortLagMs: number
  /** Connections to it neither succeed nor fail. */
  unreachable = false
  /** Faults of single requests; each request to generate draws once. */
  faults: readonly FaultChance[] = []
  /** Those that strike while there are no others. */
  usualFaults: readonly FaultChance[] = []
  /** Texts of failures that it has said. */
  readonly said: Set<string> = new Set()
  readonly counts = { requests: 0, tokens: 0, tokensForNobody: 0, struck: 0 }

  constructor(options: OllamaOptions, deps: OllamaDeps) {
    this.options = options
    this.#deps = deps
    this.abortLagMs = options.abortLagMs
    this.#process = new ProcessLife(deps.clock)
    this.#words = new ModelWords(options.models)
    this.#host = createGenerationHost(this, this.#process, this.#words, {
      ended: (generation) => this.#generations.delete(generation),
      crashed: (runner, text) => this.#crash(runner, text),
    })
    this.memory = new ModelMemory(options, deps.clock, () => this.slow, {
      onBrokenOff: deps.onBrokenOff,
      onReload: (exchange, model, loadOptions) => deps.onReload?.(exchange, model, loadOptions),
    })
    this.#preload()
  }

  get isUp(): boolean {
    return this.#process.isUp
  }

  /** Nothing is wrong with it. */
  get isWell(): boolean {
    const hasFaults = this.faults.length > 0 || this.usualFaults.length > 0
    const isSilent = this.#process.isFrozen || this.#process.isWedged
    return this.isUp && !isSilent && !this.unreachable && !hasFaults && this.slow === 1
  }

  get life(): number {
    return this.#process.count
  }

  hasInMemory(model: string): boolean {
    return this.memory.runnerOf(canonicalName(model)).phase === 'loaded'
  }

  /** It takes connections and answers nothing, health included: SIGSTOP. */
  freeze(): void {
    this.#process.freeze()
  }

  thaw(): void {
    this.#process.thaw()
  }

  /** Its scheduler is dead: health answers 200, and not a token comes until it is restarted (F3). */
  wedge(): void {
    this.#process.wedge()
  }

  /** kill -9. Whoever holds connections to it is told by the caller of this. */
  kill(): void {
    this.#process.kill()
    for (const generation of this.#generations) generation.die()
    this.#generations.clear()
    this.memory.clear()
  }

  start(): void {
    this.#process.start()
    if (this.options.loadMs === 0) this.#preload()
  }

  /** All models are gone from memory at once, as after running out of it (F9). */
  expireAll(): void {
    for (const runner of this.memory.runners) this.#crash(runner, FAILURE_TEXTS.outOfMemory)
  }

  /** The runner of one model is killed. */
  crashRunner(model: string): void {
    this.#crash(this.memory.runnerOf(model), FAILURE_TEXTS.crashed)
  }

  /** Draws what goes wrong with the next request. */
  drawFault(): RequestFault | undefined {
    const faults = this.faults.length > 0 ? this.faults : this.usualFaults
    if (faults.length === 0) return undefined
    let left = this.#deps.random.next()
    for (const { fault, probability } of faults) {
      left -= probability
      if (left < 0) return fault
    }
    return undefined
  }

  /** A request to a model has arrived on a connection. */
  receive(exchange: Exchange, route: 'chat' | 'generate', fault: RequestFault | undefined): void {
    if (this.#process.isFrozen) return this.#process.park(() => this.receive(exchange, route, fault))
    if (exchange.ended) return
    this.counts.requests++
    if (fault !== undefined) this.counts.struck++
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'status') {
      this.#process.later(fault.afterMs, () => {
        const headers = fault.retryAfterS === undefined ? {} : { 'retry-after': String(fault.retryAfterS) }
        exchange.wasBroken = BROKEN_TEXTS.has(fault.text)
        this.#refuse(exchange, fault.status, fault.text, headers)
      })
      return
    }
    const request = readModelRequest(route, exchange.body ?? Buffer.from('{}'))
    if (!this.options.models.some(({ name }) => canonicalName(name) === canonicalName(request.model))) {
      return this.#refuse(exchange, 404, `model '${request.model}' not found`)
    }
    if (request.kind === 'wrong') {
      exchange.wasWrong = true
      return this.#refuse(exchange, 500, FAILURE_TEXTS.wrongOption)
    }
    if (this.#process.isWedged) return this.#process.park(() => this.#serve(exchange, request, fault))
    this.#serve(exchange, request, fault)
  }

  /** A GET; `undefined` while it answers nothing. */
  read(path: string): InfoAnswer | undefined {
    if (this.#process.isFrozen) return undefined
    const { version, models } = this.options
    const { clock } = this.#deps
    switch (path) {
      case '/api/version':
        return { status: 200, json: { version } }
      case '/api/tags':
        return tagsAnswer(models)
      case '/api/ps':
        // With a stuck request, newer ones hang here too (ollama-behaviour.md 7.5).
        if (this.#process.isWedged && this.#generations.size > 0 && version !== '0.24.0') return undefined
        return psAnswer(models, this.memory, clock.wallMs - clock.nowMs)
      default:
        return { status: 404, json: '404 page not found' }
    }
  }

  /** What `/api/show` says of a model. */
  show(model: string): InfoAnswer | undefined {
    return this.#process.isFrozen ? undefined : showAnswer(this.options.models, model)
  }

  #serve(exchange: Exchange, request: ModelRequest, fault: RequestFault | undefined): void {
    if (exchange.ended) return
    const runner = this.memory.runnerOf(canonicalName(request.model))
    if (request.kind === 'unload') {
      if (runner.isIdle) runner.evict()
      return this.#reply(exchange, request, 'unload')
    }
    if (runner.phase !== 'loaded' && this.memory.waitingForLoad >= this.options.maxQueue) {
      return this.#refuse(exchange, 503, FAILURE_TEXTS.busy)
    }
    if (request.kind === 'generate') return this.#generate(exchange, request, fault, runner)
    const job = {
      needsSlot: false,
      exchange,
      loadOptions: request.loadOptions,
      keepAliveMs: request.keepAliveMs,
      start: () => this.#reply(exchange, request, 'load'),
    }
    exchange.onLeave = () => runner.leave(job)
    runner.enter(job)
  }

  #generate(exchange: Exchange, request: ModelRequest, fault: RequestFault | undefined, runner: Runner): void {
    const asked = this.#deps.askedOf(request.question, canonicalName(request.model), exchange) ?? {
      answer: new OracleAnswer(request.question, 24),
      promptMs: this.options.firstTokenMs,
    }
    const generation = new Generation(exchange, request, asked, fault, runner, this.#host)
    this.#generations.add(generation)
    exchange.onLeave = () => {
      this.#generations.delete(generation)
      runner.leave(generation)
    }
    runner.enter(generation)
  }

  #crash(runner: Runner, text: string): void {
    const served = new Set<unknown>(runner.crash())
    const victims = [...this.#generations].filter((generation) => served.has(generation))
    if (victims.length > 0) this.said.add(text)
    for (const victim of victims) this.#generations.delete(victim)
    // One after the other, as a process is told of its sockets.
    for (const victim of victims) this.#deps.clock.at(0, () => victim.breakWith(text))
  }

  #reply(exchange: Exchange, request: ModelRequest, reason: 'load' | 'unload'): void {
    if (exchange.ended) return
    const lines = this.#words.linesOf(request)
    exchange.head(200, { 'content-type': 'application/json; charset=utf-8' })
    const opensNewTurn = this.#words.prefillOf(request.model) === 'new-turn'
    exchange.data(
      request.kind === 'render' ? lines.rendered(renderPrompt(request, opensNewTurn)) : lines.last(reason, {}),
    )
    exchange.end()
  }

  #refuse(exchange: Exchange, status: number, text: string, headers: Record<string, string> = {}): void {
    if (exchange.ended) return
    exchange.head(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    exchange.data(errorLine(text))
    exchange.end()
  }

  #preload(): void {
    for (const { name, loaded } of this.options.models) {
      if (loaded) this.memory.runnerOf(canonicalName(name)).preload()
    }
  }
}
