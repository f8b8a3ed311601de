import { SurefootError } from '@surefoot/protocol'
import type { ErrorCode } from '@surefoot/protocol'

import { canonicalModel } from '../../backends/model-lists.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import { abortable } from '../../runtime/abortable.ts'
import type { Call, CallContext, CallPatience, How, Reply, Service } from '../../service.ts'
import { withModel } from '../../with-model.ts'
import type { DegradeDeps, DegradeOptions } from './degrade.ts'
import { fallbackReply } from './fallback-reply.ts'
import { mayDoWithoutModel, mayMoveOn } from './may-move-on.ts'
import { isForProgram, isPlainTalk, needsOf } from './needs.ts'
import { RungCleanups } from './rung-cleanups.ts'

/** What must be left of the deadline for the rungs that are no model of a backend; with a model in this process more. */
const RESERVE_MS = 1_000
const LOCAL_RESERVE_MS = 10_000
/** So often a call goes back up because a better model can be asked again; then it stays where it waits. */
const MOST_RETURNS = 3

/** One call on its way down the ladder. */
export class Descent {
  readonly #next: Service
  readonly #call: Call
  readonly #context: CallContext
  readonly #options: DegradeOptions
  readonly #deps: DegradeDeps
  readonly #beganAtMs: number
  #attempts: number
  #returns = 0
  /** Models that no backend could be asked for. */
  #missed: string[] = []
  /** Why the model that was asked for did not answer. */
  #failure: SurefootError | undefined

  constructor(next: Service, call: Call, context: CallContext, options: DegradeOptions, deps: DegradeDeps) {
    this.#next = next
    this.#call = call
    this.#context = context
    this.#options = options
    this.#deps = deps
    this.#beganAtMs = deps.clock.monotonicMs()
    this.#attempts = context.attempt - 1
  }

  async answer(): Promise<Reply> {
    const models = await this.#models()
    let reply: Reply | undefined
    for (let at = 0; at < models.length && reply === undefined; at++) {
      try {
        reply = await this.#ask(models[at] as string, at, models.length)
      } catch (reason) {
        if (!(reason instanceof BetterModelBack)) throw reason
        this.#returns++
        this.#missed = []
        at = -1
      }
    }
    if (reply !== undefined) return reply
    const failure = this.#failure as SurefootError
    const other = mayDoWithoutModel(failure) ? await this.#withoutBackend(models, failure.code) : undefined
    if (other !== undefined) return other
    throw failure.with({ attempts: this.#attempts })
  }

  /** The models of its ladder: the one it asks for, and those that can do what it needs. */
  async #models(): Promise<readonly string[]> {
    const { degradeModels } = this.#options
    const { model, request } = this.#call
    const needs = needsOf(request)
    const others: string[] = []
    for (const other of new Set(degradeModels.map(canonicalModel))) {
      if (other === model || this.#deps.isMissing(other)) continue
      if (needs.length === 0 || (await this.#deps.isCapable(other, needs, this.#context.signal))) others.push(other)
    }
    this.#context.signal.throwIfAborted()
    return [model, ...others]
  }

  /** `undefined` when the rung is left. */
  async #ask(model: string, at: number, count: number): Promise<Reply | undefined> {
    const cleanups = new RungCleanups(this.#context)
    try {
      const call = at === 0 ? this.#call : withModel(this.#call, model)
      const reply = await this.#next(call, {
        ...this.#context,
        attempt: this.#attempts + 1,
        reason: this.#failure?.code ?? this.#context.reason,
        patience: this.#patience(at === count - 1),
        emit: (event) => {
          if (event.type === 'attempt') this.#attempts = Math.max(this.#attempts, event.attempt)
          this.#context.emit(event)
        },
        defer: cleanups.defer,
      })
      cleanups.passOn()
      return at === 0 ? reply : labelled(reply, { served: 'degraded', reason: this.#reason })
    } catch (failure) {
      if (failure instanceof BetterModelBack) {
        cleanups.over({ kind: 'aborted' })
        throw failure
      }
      const error = this.#judge(failure)
      if (error === undefined || (at === 0 && !mayMoveOn(error))) {
        cleanups.passOn()
        throw failure
      }
      cleanups.over({ kind: 'failed', error })
      this.#left(model, error)
      if (at === 0) this.#failure = error
      if (!this.#deps.isUsable(model)) this.#missed.push(model)
      return undefined
    }
  }

  #patience(isLast: boolean): CallPatience | undefined {
    const nowMs = this.#deps.clock.monotonicMs()
    const leftMs = Math.max(0, this.#context.deadlineAtMs - nowMs)
    if (!isLast) return { untilMs: nowMs + Math.min(this.#options.patienceMs, leftMs / 2) }
    const ready = {
      untilMs: this.#beganAtMs + this.#options.waitForReadyMs,
      insteadOf: this.#returns < MOST_RETURNS ? this.#missed : [],
    }
    if (!this.#hasMore) return { untilMs: Number.POSITIVE_INFINITY, ready }
    const reserveMs = this.#isLocalPossible ? LOCAL_RESERVE_MS : RESERVE_MS
    return { untilMs: nowMs + leftMs - Math.min(reserveMs, leftMs / 2), ready }
  }

  async #withoutBackend(models: readonly string[], reason: ErrorCode): Promise<Reply | undefined> {
    return (await this.#fromCache(models, reason)) ?? (await this.#fromLocal(reason)) ?? this.#fromFallback(reason)
  }

  async #fromCache(models: readonly string[], reason: ErrorCode): Promise<Reply | undefined> {
    const { staleAnswer } = this.#deps
    if (staleAnswer === undefined) return undefined
    const firstOf = async (): Promise<Reply | undefined> => {
      for (const model of models) {
        const reply = await staleAnswer(model === this.#call.model ? this.#call : withModel(this.#call, model))
        if (reply !== undefined) return reply
      }
      return undefined
    }
    const reply = await this.#tried('cache', abortable(firstOf(), this.#context.signal))
    return reply && labelled(reply, { served: 'cache', reason })
  }

  async #fromLocal(reason: ErrorCode): Promise<Reply | undefined> {
    const { local, clock } = this.#deps
    if (local === undefined || !this.#isLocalPossible) return undefined
    const { patienceMs } = this.#options
    const untilMs = this.#isFallbackPossible ? clock.monotonicMs() + patienceMs : Number.POSITIVE_INFINITY
    const reply = await this.#tried(local.name, local.answer(this.#call, this.#context, untilMs))
    return reply && labelled(reply, { served: 'degraded', reason })
  }

  #fromFallback(reason: ErrorCode): Reply | undefined {
    const { fallbackMessage } = this.#options
    if (fallbackMessage === undefined || !this.#isFallbackPossible) return undefined
    return fallbackReply(fallbackMessage, this.#call.request.model ?? this.#call.model, reason, this.#deps.clock)
  }

  /** A rung that is there for when others fail must not be what the call fails by. */
  async #tried(rung: string, attempt: Promise<Reply | undefined>): Promise<Reply | undefined> {
    try {
      return await attempt
    } catch (failure) {
      const error = this.#judge(failure)
      if (error === undefined) throw failure
      this.#left(rung, error)
      return undefined
    }
  }

  get #isLocalPossible(): boolean {
    return this.#deps.local !== undefined && isPlainTalk(this.#call.request)
  }

  get #isFallbackPossible(): boolean {
    return this.#options.fallbackMessage !== undefined && !isForProgram(this.#call.request)
  }

  get #hasMore(): boolean {
    return this.#deps.staleAnswer !== undefined || this.#isLocalPossible || this.#isFallbackPossible
  }

  get #reason(): ErrorCode {
    return (this.#failure as SurefootError).code
  }

  /** Why a rung failed; `undefined` when the call itself is over, or the fault is none that has a name. */
  #judge(failure: unknown): SurefootError | undefined {
    if (this.#context.signal.aborted) return undefined
    if (failure instanceof AttemptFailure) return failure.verdict.error
    return SurefootError.is(failure) ? failure : undefined
  }

  #left(rung: string, { code, message }: SurefootError): void {
    this.#deps.telemetry.emit({ type: 'rung-leave', id: this.#context.id, rung, code, problem: message })
  }
}

function labelled(reply: Reply, how: How): Reply {
  return { ...reply, how: { ...reply.how, ...how } }
}
