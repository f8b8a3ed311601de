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

/** How one of them ended. */
interface Failed {
  readonly runner: Runner
  readonly reason: unknown
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
  /** The one that failed while the other one went on. */
  #failed: Failed | undefined

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
    if (this.#failed !== undefined) this.#account(this.#failed)
    const { startedAtMs } = runner
    if (startedAtMs !== undefined) this.#deps.times.add(model, promptLength, this.#nowMs() - startedAtMs)
    this.#result.resolve(reply)
  }

  #onFailure(runner: Runner, reason: unknown): void {
    this.#running.delete(runner)
    if (this.#over) return
    if (reason instanceof NotFree && this.#running.size > 0) return this.#lookIn(NEXT_LOOK_MS)
    if (this.#running.size === 0 || this.#context.signal.aborted) return this.#fail({ runner, reason })
    // The other one may still answer.
    this.#failed = { runner, reason }
    this.#stopLooking()
  }

  /** Whoever is above counts one failure: the one that cost more. The other one is counted here, and goes with it. */
  #fail(last: Failed): void {
    const { signal } = this.#context
    const earlier = this.#failed
    this.#end()
    if (signal.aborted) {
      if (earlier !== undefined) this.#account(earlier)
      return this.#result.reject(signal.reason)
    }
    if (!(earlier?.reason instanceof AttemptFailure)) return this.#result.reject(last.reason)
    if (!(last.reason instanceof AttemptFailure)) return this.#result.reject(earlier.reason)
    const [counts, beside] =
      last.reason.verdict.cheap || !earlier.reason.verdict.cheap ? [earlier, last] : [last, earlier]
    this.#account(beside)
    const { verdict, backend } = counts.reason as AttemptFailure
    const attempt = this.#attemptOf(counts.runner)
    this.#result.reject(new AttemptFailure(verdict, backend, { attempt, beside: beside.reason as AttemptFailure }))
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

  #account({ runner, reason }: Failed): void {
    if (!(reason instanceof AttemptFailure)) return
    const { id, spent } = this.#context
    const { backend, verdict } = reason
    if (spent !== undefined && !verdict.cheap) spent.costly++
    const { code, message } = verdict.error
    const event = { type: 'attempt-fail', id, backend, code, problem: message } as const
    this.#deps.telemetry.emit({ ...event, attempt: this.#attemptOf(runner) })
  }

  #attemptOf({ isSecond }: Runner): number {
    return this.#context.attempt + (isSecond ? 1 : 0)
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}
