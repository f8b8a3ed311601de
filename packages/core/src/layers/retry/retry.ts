import { SurefootError } from '@surefoot/protocol'

import type { Runtime } from '../../runtime/runtime.ts'
import { wait } from '../../runtime/wait.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import type { Call, CallContext, Layer, Reply, Service } from '../../service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { RetryBudget } from './budget.ts'
import { collect } from './collect.ts'
import { RetryLadder } from './decide.ts'
import type { RetryOptions } from './decide.ts'
import { Rests } from './rests.ts'
import type { HasOther } from './rests.ts'

/** What the layer is built with. */
export interface RetryDeps {
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  /** Whether a backend other than those would take an attempt for this model now. */
  readonly hasOther: (model: string, than: ReadonlySet<string>) => boolean
}

/**
 * Judges an outcome, waits with nothing leased, excludes backends already tried, tries again. A caller who wants the
 * answer whole is given the same care to its last token. Refusals of our own queue, aborts and deadlines pass through.
 */
export function createRetry(options: RetryOptions & { readonly retryBudget: number }, deps: RetryDeps): Layer {
  const budget = new RetryBudget(options.retryBudget)
  return (next) => async (call, context) => {
    const ladder = new RetryLadder(options)
    const hasOther: HasOther = (than) => deps.hasOther(call.model, new Set(than))
    const rests = new Rests(hasOther)
    let exclude: ReadonlySet<string> = context.exclude
    let { reason } = context
    for (let attempt = context.attempt; ; attempt++) {
      try {
        const reply = await answer(next, call, { ...context, attempt, reason, exclude })
        budget.refill()
        return reply
      } catch (failure) {
        if (!(failure instanceof AttemptFailure)) throw withAttempts(failure, attempt - 1)
        const { verdict, backend } = failure
        const nowMs = deps.runtime.clock.monotonicMs()
        rests.ask(backend, verdict.sameAfterMs, nowMs)
        const decision = ladder.decide(verdict, {
          hasOther: hasOther([backend]),
          restMs: rests.leftMs(backend, verdict.retry, nowMs),
          leftMs: context.deadlineAtMs - nowMs,
          random: deps.runtime.random.next(),
        })
        const again = decision.retry && (!decision.costly || budget.take())
        deps.telemetry.emit({
          type: 'attempt-fail',
          id: context.id,
          attempt,
          backend,
          code: verdict.error.code,
          problem: verdict.error.message,
          ...(again && { waitMs: decision.waitMs }),
        })
        if (!again) throw new AttemptFailure({ ...verdict, error: verdict.error.with({ attempts: attempt }) }, backend)
        exclude = rests.exclude([...exclude, backend], backend, nowMs + decision.waitMs)
        reason = verdict.error.code
        if (decision.waitMs > 0) await wait(deps.runtime.timers, decision.waitMs, context.signal)
      }
    }
  }
}

async function answer(next: Service, call: Call, context: CallContext): Promise<Reply> {
  const reply = await next(call, context)
  return call.buffered ? await collect(reply) : reply
}

/** Tells the caller of a refusal how many attempts had been made before it. */
function withAttempts(error: unknown, attempts: number): unknown {
  return SurefootError.is(error) && attempts > 0 ? error.with({ attempts }) : error
}
