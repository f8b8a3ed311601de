import type { ChatAnswer, SurefootError } from '@surefoot/protocol'

import type { ModelContexts } from '../../backends/model-contexts.ts'
import type { LoadOptions } from '../../load-options.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { contextOverflow } from '../../outcome/context-overflow.ts'
import type { Call, CallContext, Reply, Service } from '../../service.ts'
import { guardedCall, hasImages, mayOverflow } from './guarded-call.ts'
import type { GuardedCall } from './guarded-call.ts'
import { Ladder } from './ladder.ts'
import type { Misfit } from './ladder.ts'
import type { Outgoing } from './outgoing.ts'
import { rungFor } from './rungs.ts'
import { SilentCuts } from './silent-cuts.ts'
import { TokenRates, USUAL_BYTES_PER_TOKEN } from './token-rates.ts'

/** What the guard is built with. */
export interface ContextGuardDeps {
  readonly loadOptions: Pick<LoadOptions, 'of' | 'grow' | 'tooLargeFor'>
  readonly contexts: Pick<ModelContexts, 'largest' | 'loaded' | 'careOf' | 'findCareOf' | 'leastCare'>
}

/** A prompt that is expected to be so much longer than its context is not sent to find out. */
const SURELY = 1.25
/** A rung that is chosen before the prompt was counted has so much to spare. */
const TO_SPARE = 1.1

/**
 * Sees to it that no prompt is cut in silence. A backend that can refuse one is asked to, and of one that cannot the count
 * in its answer is compared with what was to be expected. A prompt that does not fit gets a larger context where that is
 * allowed, for all calls of its model; else `CONTEXT_OVERFLOW` with what it needs, what there is and the mend.
 */
export class ContextGuard {
  readonly #contexts: ContextGuardDeps['contexts']
  readonly #ladder: Ladder
  readonly #cuts: SilentCuts
  readonly #rates = new TokenRates()

  constructor(maxContext: number, { loadOptions, contexts }: ContextGuardDeps) {
    this.#contexts = contexts
    this.#ladder = new Ladder(maxContext, loadOptions, contexts)
    this.#cuts = new SilentCuts(this.#ladder, contexts)
  }

  /** Asks, and asks again as often as a larger context is needed and to be had. */
  async ask(next: Service, call: Call, outgoing: Outgoing, context: CallContext): Promise<Reply> {
    const guarded = guardedCall(call, outgoing, context, this.#rates.of(call.model))
    context.defer((end) => {
      if (end.kind === 'answered') this.#learn(guarded, end.answer)
    })
    const isLong = mayOverflow(guarded)
    const growing = isLong ? this.#growBefore(guarded) : undefined
    if (growing !== undefined) await growing

    // A backend that cannot refuse would cut the half answer with its prompt.
    const sent: Call =
      this.#contexts.leastCare === 'refuses' ? this.#withRoom(call, guarded) : { ...call, resume: false }
    let asked = context
    for (;;) {
      try {
        const reply = await next(sent, asked)
        return await this.#cuts.check(reply, guarded)
      } catch (failure) {
        if (!(failure instanceof AttemptFailure)) throw failure
        await this.#makeRoom(failure, guarded)
        context.signal.throwIfAborted()
        const attempt = (failure.verdict.error.attempts ?? asked.attempt) + 1
        asked = { ...context, attempt, reason: failure.verdict.error.code }
      }
    }
  }

  #withRoom(call: Call, guarded: GuardedCall): Call {
    const makeRoom = (refusal: AttemptFailure): Promise<boolean> =>
      this.#makeRoom(refusal, guarded).then(
        () => true,
        () => false,
      )
    return { ...call, makeRoom }
  }

  /** Returns when it makes sense to ask again; else throws what the caller is told. */
  async #makeRoom(failure: AttemptFailure, guarded: GuardedCall): Promise<void> {
    const { verdict, backend } = failure
    const { error } = verdict
    if (error.code !== 'CONTEXT_OVERFLOW') {
      // What a prompt needed did not fit into memory and was taken back: what fitted before fits again.
      if (verdict.tooLarge === true && hasShrunk(guarded.outgoing)) return
      throw failure
    }
    if (this.#hasGrown(error, guarded)) return
    const misfit = await this.#misfitOf(failure, guarded)
    if (this.#hasGrown(error, guarded)) return
    const hint = await this.#ladder.climb(misfit)
    if (hint === undefined) return
    throw new AttemptFailure(
      { ...verdict, error: contextOverflow({ ...misfit, backend, attempts: error.attempts, hint }) },
      backend,
    )
  }

  /** Makes room for a prompt that surely does not fit, which spares it a refusal; `undefined` when that is not to be waited for. */
  #growBefore(guarded: GuardedCall): Promise<void> | undefined {
    const { call, outgoing, context, bytes, bytesPerToken, room } = guarded
    const { model } = call
    if (this.#contexts.leastCare !== 'refuses') return this.#cuts.growBefore(guarded)
    const { numCtx } = outgoing
    // What a backend gives by itself may be larger than any rung.
    if (bytesPerToken === undefined || numCtx === undefined || bytes / bytesPerToken < numCtx * SURELY) return undefined
    return this.#ladder.ceiling(model, context.signal).then((ceiling) => {
      const rung = rungFor((bytes / bytesPerToken) * TO_SPARE, room, ceiling)
      if (rung !== undefined && rung > numCtx) this.#ladder.raise(model, rung)
    })
  }

  /** Another call has raised the context since this one was sent: it is asked again before anything else is said of it. */
  #hasGrown({ neededTokens = 0 }: SurefootError, { call, outgoing }: GuardedCall): boolean {
    const now = this.#ladder.current(call.model) ?? 0
    return now > (outgoing.numCtx ?? 0) && now > neededTokens
  }

  async #misfitOf({ verdict, backend }: AttemptFailure, guarded: GuardedCall): Promise<Misfit> {
    const { call, outgoing, context, bytes, bytesPerToken = USUAL_BYTES_PER_TOKEN, room } = guarded
    const { neededTokens, availableTokens } = verdict.error
    const { model } = call
    const { signal } = context
    const named = outgoing.numCtx
    const most = (await this.#contexts.largest(model, signal)) ?? Number.POSITIVE_INFINITY
    const given = named ?? (await this.#contexts.loaded(backend, model, signal))
    const available = availableTokens ?? (given === undefined ? undefined : Math.min(given, most))
    const estimate = Math.max(Math.ceil(bytes / bytesPerToken), (available ?? 0) + 1)
    const isEstimate = neededTokens === undefined
    return { model, needed: neededTokens ?? estimate, isEstimate, room, available, named, signal }
  }

  #learn({ call, bytes }: GuardedCall, answer: Answered): void {
    const { served, model, resumed, prompt_eval_count: count } = answer
    // Another model's words, or those of several segments, say nothing of this prompt.
    if (served !== 'model' || model !== call.request.model || resumed > 0 || count === undefined) return
    if (!hasImages(call) && this.#contexts.leastCare !== 'cuts-unseen') this.#rates.learn(call.model, bytes, count)
  }
}

/** The context that it was sent with is not what it would be sent with now. */
function hasShrunk(outgoing: Outgoing): boolean {
  const sent = outgoing.numCtx
  return sent !== undefined && (outgoing.numCtxNow ?? 0) < sent
}

type Answered = Pick<ChatAnswer, 'served' | 'model' | 'resumed' | 'prompt_eval_count'>
