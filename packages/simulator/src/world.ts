import { createSurefoot, readConfig } from '@surefoot/core'
import type { Config, LocalSurefoot, SurefootConfig, TelemetryEvent } from '@surefoot/core'

import { CallBook } from './callers/call-book.ts'
import { markOf } from './callers/call-mark.ts'
import { CallRecord } from './callers/call-record.ts'
import type { Answerers } from './callers/call-record.ts'
import { makeCall } from './callers/make-call.ts'
import type { Question } from './callers/question.ts'
import { comeToRest } from './checks/come-to-rest.ts'
import { CallerObserver } from './checks/caller-observer.ts'
import { createCapabilityChecks } from './checks/create-capability-checks.ts'
import type { CapabilityCheck, SeenRequest } from './checks/capability-check.ts'
import type { CapabilityChecks } from './checks/create-capability-checks.ts'
import type { InvariantName, Violation } from './checks/violation.ts'
import { WireObserver } from './checks/wire-observer.ts'
import { readWireRequest } from './checks/wire-request.ts'
import type { Asked } from './ollama/generation.ts'
import { ModelledOllama } from './ollama/modelled-ollama.ts'
import type { OllamaOptions } from './ollama/ollama-options.ts'
import { SILENT } from './silent-logger.ts'
import { Tally } from './tally.ts'
import { EventJournal } from './time/event-journal.ts'
import type { TraceLine } from './time/event-journal.ts'
import { RandomStream } from './time/random-stream.ts'
import { VirtualClock } from './time/virtual-clock.ts'
import type { Exchange } from './wire/exchange.ts'
import { ModelledConnection } from './wire/modelled-connection.ts'

/** Breaches kept; one that repeats itself says nothing new. */
const MOST_VIOLATIONS = 100

/** What a world is made of. */
export interface WorldOptions {
  readonly seed: number
  readonly ollamas: readonly OllamaOptions[]
  readonly config?: Omit<SurefootConfig, 'backends'>
  /**
   * Context, cache, ladder and experiment are checked as well, as far as they are configured: models have words of their
   * own then, and requests tell by a mark whose they are. @default false
   */
  readonly hasCapabilities?: boolean | undefined
  /** Shows each step. */
  readonly trace?: TraceLine | undefined
}

/** What became of a world. */
export interface WorldResult {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly violations: readonly Violation[]
  readonly tally: Tally
  /** Virtual time that passed. */
  readonly hours: number
}

/** The real core, its callers and its backends, in one virtual time. Made from a seed alone, it is the same each time. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly ollamas: readonly ModelledOllama[]
  readonly surefoot: LocalSurefoot
  readonly config: Config
  readonly tally: Tally = new Tally()
  readonly violations: Violation[] = []
  readonly #seed: number
  readonly #journal: EventJournal
  readonly #connections: ModelledConnection[] = []
  readonly #calls: CallBook
  readonly #capabilities: CapabilityChecks
  readonly #wire: WireObserver
  readonly #callers: CallerObserver
  readonly #callListeners: ((call: CallRecord) => void)[] = []
  #nextId = 0
  #startedAtCpuMs = 0

  constructor({ seed, ollamas, config = {}, trace, hasCapabilities = false }: WorldOptions) {
    this.#seed = seed
    this.#calls = new CallBook(hasCapabilities)
    this.#journal = new EventJournal(trace)
    this.ollamas = ollamas.map(
      (options) =>
        new ModelledOllama(options, {
          clock: this.clock,
          random: this.random('ollama', options.url),
          askedOf: (_question, model, exchange) => this.#askedOf(model, exchange),
          onBrokenOff: (exchange, sinceMs) => this.#onBrokenOff(exchange, options.url, sinceMs),
          onReload: (_exchange, model, loadOptions) => this.#onReload(options.url, model, loadOptions),
        }),
    )
    const given = { logLevel: 'silent' as const, ...config, backends: ollamas.map(({ url }) => url) }
    this.config = readConfig(given)
    const observed = {
      nowMs: () => this.clock.nowMs,
      calls: this.#calls,
      report: (invariant: InvariantName, text: string) => this.report(invariant, text),
      note: (what: string, subject: number, detail: string | number = '') => this.#note(what, subject, detail),
    }
    const after = (delayMs: number, work: () => void): void => void this.clock.at(delayMs, work)
    const soon = (work: () => void): void => after(0, work)
    const parts = { ...observed, soon, after, config: this.config, ollamas: this.ollamas }
    this.#capabilities = createCapabilityChecks(parts)
    const { checks } = this.#capabilities
    this.#wire = new WireObserver({ ...parts, checks })
    this.#callers = new CallerObserver({
      ...observed,
      calls: this.#calls.open,
      onSuccess: () => this.#wire.succeeded(),
      onQueued: (call) => this.#tellChecks((check, open) => check.queued?.(call, open)),
      onAnswer: (call, answer) => this.#tellChecks((check) => check.answered?.(call, answer)),
      onFailure: (call, error) => this.#tellChecks((check) => check.failed?.(call, error)),
      onEnd: (call, outcome) => this.#onCallEnd(call, outcome),
    })
    this.surefoot = createSurefoot(given, {
      runtime: this.clock.createRuntime(seed),
      logger: SILENT,
      env: {},
      createId: () => String(this.#nextId),
      connect: (url) => this.#connect(url),
    })
    this.surefoot.telemetry.on((event) => this.#onTelemetry(event))
  }

  /** A stream of random numbers for one part of the world. */
  random(...names: readonly (string | number)[]): RandomStream {
    return RandomStream.forNames(this.#seed, ...names)
  }

  /** Calls under way. */
  get callsOpen(): number {
    return this.#calls.open.size
  }

  /** Tokens that all backends have made. */
  get tokensMade(): number {
    return this.ollamas.reduce((sum, { counts }) => sum + counts.tokens, 0)
  }

  /** Calls back for every attempt of a call, with the index of the backend. */
  onAttempt(listener: (backend: number) => void): void {
    this.#wire.onAttempt(listener)
  }

  /** From now on all is well: nobody waits for long while slots are free. */
  expectCalm(): void {
    this.#wire.queues.slotsWhenWell = (model = this.config.model) =>
      this.ollamas.reduce((sum, ollama) => sum + (ollama.hasInMemory(model) ? ollama.options.slots : 0), 0)
  }

  /** From now on nothing is wrong with any backend, and there is room for all. */
  expectWell(): void {
    this.#capabilities.ladder.isWell = true
  }

  onCallEnd(listener: (call: CallRecord) => void): void {
    this.#callListeners.push(listener)
  }

  /** Somebody asks now. */
  ask(question: Question): CallRecord {
    const { clock, config } = this
    const id = ++this.#nextId
    const deadlineMs = question.deadlineMs ?? config.deadlineMs
    const answerers = this.#answerersOf(question)
    const call = new CallRecord(id, question, clock.nowMs, deadlineMs, answerers, () => this.tally.tokensForNobody++)
    this.#calls.add(call)
    this.tally.calls++
    this.#note('call', id, call.expectedTokens)
    this.#wire.queues.asked(call)
    this.#startedAtCpuMs = performance.now()
    const [{ keepAliveMs } = { keepAliveMs: 0 }] = this.ollamas.map(({ options }) => options)
    void makeCall(call, this.surefoot, clock, this.#callers, this.#calls.isMarked ? markOf(id, keepAliveMs) : undefined)
    return call
  }

  /** Something happens to a backend. */
  note(what: string, subject: number, detail: string | number = ''): void {
    this.#note(what, subject, detail)
    this.#tellChecks((check) => check.befell?.(what, subject))
  }

  /** kill -9 of one backend, and a new start after that time; never when it is `undefined`. */
  kill(index: number, downMs: number | undefined): void {
    const ollama = this.ollamas[index] as ModelledOllama
    if (!ollama.isUp) return
    this.note('killed', index)
    ollama.kill()
    this.#connections.find((connection) => connection.ollama === ollama)?.cut()
    if (downMs === undefined) return
    this.clock.at(downMs, () => {
      this.note('started', index)
      ollama.start()
    })
  }

  /** Lets time pass. */
  async run(forMs: number): Promise<void> {
    await this.clock.run(this.clock.nowMs + forMs)
  }

  /** Requests under way. */
  get requestsOpen(): number {
    return this.#connections.reduce((sum, { inFlight }) => sum + inFlight, 0)
  }

  /** Waits until every call has ended, closes, and looks whether anything is left. */
  async finish(): Promise<WorldResult> {
    await comeToRest(this, this.#calls.open)
    const { clock, violations, tally } = this
    const hours = clock.nowMs / 3_600_000
    return { seed: this.#seed, hash: this.#journal.hash, events: clock.events, violations, tally, hours }
  }

  #onBrokenOff(exchange: Exchange, url: string, sinceMs: number): void {
    const ollama = this.ollamas.find(({ options }) => options.url === url)
    if (ollama !== undefined) this.#wire.loads.brokenOff(exchange, ollama, sinceMs)
  }

  #onReload(url: string, model: string, loadOptions: string): void {
    const index = this.ollamas.findIndex(({ options }) => options.url === url)
    this.#note('reload', index, loadOptions)
    const ollama = this.ollamas[index]
    if (ollama !== undefined) this.#tellChecks((check) => check.reloaded?.(ollama, model, loadOptions))
  }

  #askedOf(model: string, exchange: Exchange): Asked | undefined {
    const { callId } = readWireRequest(exchange, this.#calls.isMarked) ?? {}
    const call = callId === undefined ? undefined : this.#calls.byId(callId)
    if (call === undefined || !this.#calls.isMarked) return call
    const { promptMs } = call
    return { answer: call.answerOf(model), promptMs, onToken: () => call.onToken() }
  }

  /** Who may answer it, by the configuration. */
  #answerersOf({ model = this.config.model }: Question): Answerers {
    const { experiments, degradeModels, fallbackMessage } = this.config
    const taking = experiments.find((experiment) => (experiment.model ?? this.config.model) === model)
    const variants = taking?.variants.map((variant) => variant.model) ?? [model]
    const models = [...new Set([...variants, ...degradeModels])]
    return { models, fallback: fallbackMessage, differ: this.#calls.isMarked }
  }

  #tellChecks(tell: (check: CapabilityCheck, open: ReadonlySet<SeenRequest>) => void): void {
    const { checks } = this.#capabilities
    if (checks.length === 0) return
    const { open } = this.#wire
    for (const check of checks) tell(check, open)
  }

  #connect(url: string): ModelledConnection {
    const ollama = this.ollamas.find(({ options }) => options.url === url)
    if (ollama === undefined) throw new Error(`There is no backend at ${url} in this world`)
    const connection = new ModelledConnection(ollama, {
      clock: this.clock,
      random: this.random('connection', url),
      connectTimeoutMs: this.config.connectTimeoutMs,
      watch: {
        dispatched: (exchange) => this.#wire.dispatched(exchange, connection),
        ended: (exchange, _, how) => this.#wire.ended(exchange, connection, how),
      },
    })
    this.#connections.push(connection)
    return connection
  }

  #onTelemetry(event: TelemetryEvent): void {
    switch (event.type) {
      case 'breaker-open':
      case 'breaker-half-open':
      case 'breaker-closed':
        this.#wire.breakerChanged(event)
        this.#tellChecks((check, open) => check.told?.(event, open))
        break
      case 'cache':
        this.#onCache(Number(event.id), event.result)
        break
      case 'rung-leave':
        this.#onRungLeave(event)
        break
      case 'call-end':
        this.#callers.endedInCore(Number(event.id))
        break
      default:
        break
    }
  }

  #onCache(id: number, result: 'hit' | 'joined' | 'miss'): void {
    const call = this.#calls.open.get(id)
    if (call === undefined) return
    call.met = result
    this.#note(`cache ${result}`, id)
    if (result === 'joined') {
      call.joinedAtMs = this.clock.nowMs
      this.#calls.joined(call)
    }
    // Another one waits in its place, or nobody.
    if (result !== 'miss') this.#wire.queues.callEnded(call)
  }

  #onRungLeave(event: TelemetryEvent & { readonly type: 'rung-leave' }): void {
    const call = this.#calls.open.get(Number(event.id))
    if (call === undefined) return
    const { rung, code } = event
    this.#note(`leaves ${rung}`, call.id, code)
    call.leftRungs.push({ rung, code, atMs: this.clock.nowMs })
    // The next model is asked from the beginning.
    call.efforts.clear()
    this.#tellChecks((check, open) => check.told?.(event, open))
  }

  #onCallEnd(call: CallRecord, outcome: string): void {
    const { nowMs } = this.clock
    // Refused at once: then nothing else has run in between, and the real time is that of the refusal.
    if (nowMs === call.startedMs) this.tally.refusedWithinCpuMs.push(performance.now() - this.#startedAtCpuMs)
    call.outcome = outcome
    call.endedMs = nowMs
    this.#calls.open.delete(call.id)
    this.#tellChecks((check, open) => check.callEnded?.(call, open))
    this.#wire.queues.callEnded(call)
    this.#note(`call ${outcome}`, call.id, call.attempts)
    this.tally.ended(call, nowMs)
    for (const listener of this.#callListeners) listener(call)
  }

  /** Reports a breach of an invariant. */
  report(invariant: InvariantName, text: string): void {
    this.#note(`VIOLATION ${invariant}`, 0, text)
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ atMs: this.clock.nowMs, invariant, text })
  }

  #note(what: string, subject: number, detail: string | number = ''): void {
    this.#journal.note(this.clock.nowMs, what, subject, detail)
  }
}
