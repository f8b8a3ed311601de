import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import type { Timer } from '../../runtime/runtime.ts'
import type { Call, CallContext, Reply, Service } from '../../service.ts'
import { NotFree } from '../../outcome/not-free.ts'
import type { FirstTokenTimes } from './first-token-times.ts'
import type { HedgeBudget } from './hedge-budget.ts'
import type { HedgeDeps } from './hedge.ts'
import { LostRace } from '../../outcome/lost-race.ts'

/** What all races share. */
export interface RaceDeps extends HedgeDeps {
  /** A second attempt comes at the earliest after this, in milliseconds. */
  readonly delayMs: number
  readonly budget: HedgeBudget
  readonly times: FirstTokenTimes
}

/** The delay is at least so many times what 95 of 100 first tokens take. */
const DELAY_FACTOR = 2
/** A moment that is not right for a second attempt may be followed by one that is. */
const NEXT_LOOK_MS = 1_000
/** More taken slots than this say that there is load, and then a second attempt takes a slot from somebody. */
const MOST_BUSY = 0.5
/** The slot of the slower one stays taken no longer than this. */
const LONGEST_TAKEN_MS = 120_000

/** One of the two attempts. */
interface Runner {
  readonly controller: AbortController
  readonly isSecond: boolean
  /** Where it runs, once it has begun. */
  backend?: string
  startedAtMs?: number
}

/** One attempt of a call, and a second one where the first is slow. Exactly one reply or failure comes out. */
export class Race {
  readonly #next: Service
  readonly #call: Call
  readonly #context: CallContext
  readonly #deps: RaceDeps
  readonly #result = Promise.withResolvers<Reply>()
  /** Those under way. */
  readonly #running = new Set<Runner>()
  #timer: Timer | undefined
  #first: Runner | undefined
  #loading = false
  #over = false
  /** Why the first of two failed. */
  #failure: { readonly reason: unknown } | undefined

  constructor(next: Service, call: Call, context: CallContext, deps: RaceDeps) {
    this.#next = next
    this.#call = call
    this.#context = context
    this.#deps = deps
  }

  run(): Promise<Reply> {
    this.#first = this.#begin(false)
    return this.#result.promise
  }

  #begin(isSecond: boolean): Runner {
    const runner: Runner = { controller: new AbortController(), isSecond }
    this.#running.add(runner)
    const { attempt, exclude } = this.#context
    const taken = this.#first?.backend
    const context: CallContext = {
      ...this.#context,
      signal: AbortSignal.any([this.#context.signal, runner.controller.signal]),
      emit: (event) => this.#onEvent(runner, event),
      ...(isSecond && {
        attempt: attempt + 1,
        exclude: new Set(taken === undefined ? exclude : [...exclude, taken]),
        onlyIfIdle: true,
      }),
    }
    this.#next(this.#call, context).then(
      (reply) => this.#onReply(runner, reply),
      (reason: unknown) => this.#onFailure(runner, reason),
    )
    return runner
  }

  #onEvent(runner: Runner, event: Parameters<CallContext['emit']>[0]): void {
    if (this.#over) return
    if (event.type === 'loading' && !runner.isSecond) this.#loading = true
    if (event.type === 'attempt') {
      runner.backend = event.backend
      runner.startedAtMs = this.#nowMs()
      if (runner.isSecond) this.#deps.budget.spend()
      else {
        // It counts from here: before, the call waited for its slot or for a load.
        this.#loading = false
        this.#lookIn(this.#delayMs())
      }
    }
    this.#context.emit(event)
  }

  #onReply(runner: Runner, reply: Reply): void {
    this.#running.delete(runner)
    if (this.#over) {
      void reply.body.return(undefined as never).catch(() => {})
      return
    }
    const { model, promptLength = 0 } = this.#call
    this.#end()
    const { startedAtMs } = runner
    if (startedAtMs !== undefined) this.#deps.times.add(model, promptLength, this.#nowMs() - startedAtMs)
    this.#result.resolve(reply)
  }

  #onFailure(runner: Runner, reason: unknown): void {
    this.#running.delete(runner)
    if (this.#over) return
    if (reason instanceof NotFree) return this.#running.size > 0 ? this.#lookIn(NEXT_LOOK_MS) : this.#fail(reason)
    if (this.#running.size === 0 || this.#context.signal.aborted) return this.#fail(reason)
    // The other one may still answer; nobody else tells of this failure.
    this.#failure = { reason }
    this.#stopLooking()
    this.#account(runner, reason)
  }

  /** The one that failed first is the one that counts; what the other one came to says the same of another backend. */
  #fail(reason: unknown): void {
    const { signal } = this.#context
    this.#end()
    this.#result.reject(signal.aborted ? signal.reason : (this.#failure?.reason ?? reason))
  }

  #end(): void {
    this.#over = true
    this.#stopLooking()
    const lost = new LostRace(Math.min(this.#delayMs(), LONGEST_TAKEN_MS))
    for (const runner of this.#running) runner.controller.abort(lost)
  }

  #look(): void {
    this.#timer = undefined
    if (this.#mayHedge()) this.#begin(true)
    else this.#lookIn(NEXT_LOOK_MS)
  }

  #mayHedge(): boolean {
    const { busyShare, mayBeLoading, budget } = this.#deps
    const { model } = this.#call
    const backend = this.#first?.backend
    if (this.#context.signal.aborted) return false
    if (this.#loading || budget.isEmpty || backend === undefined || mayBeLoading(model, backend)) return false
    return busyShare(model) <= MOST_BUSY
  }

  #lookIn(delayMs: number): void {
    if (this.#context.signal.aborted) return
    this.#timer?.cancel()
    this.#timer = this.#deps.runtime.timers.set(delayMs, () => this.#look())
  }

  #stopLooking(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #delayMs(): number {
    const { model, promptLength = 0 } = this.#call
    return Math.max(this.#deps.delayMs, DELAY_FACTOR * (this.#deps.times.p95Ms(model, promptLength) ?? 0))
  }

  #account({ isSecond }: Runner, reason: unknown): void {
    if (!(reason instanceof AttemptFailure)) return
    const { id, attempt, spent } = this.#context
    const { backend, verdict } = reason
    if (spent !== undefined && !verdict.cheap) spent.costly++
    const { code, message } = verdict.error
    const event = { type: 'attempt-fail', id, backend, code, problem: message } as const
    this.#deps.telemetry.emit({ ...event, attempt: isSecond ? attempt + 1 : attempt })
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}
