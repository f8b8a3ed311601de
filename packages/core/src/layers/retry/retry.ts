import { SurefootError } from '@surefoot/protocol'

import type { AwaitReturn } from '../../backends/returns.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import type { Verdict } from '../../outcome/verdict.ts'
import type { Call, CallContext, ContinueFrom, Layer, Reply, Service } from '../../service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { deadlineAtMsOf } from '../../terms.ts'
import { RetryBudget } from './budget.ts'
import { collect } from './collect.ts'
import { RetryLadder } from './decide.ts'
import type { RetryOptions } from './decide.ts'
import { Rests } from './rests.ts'
import type { HasOther } from './rests.ts'
import { Sleeper } from './sleep.ts'

/** What the layer is built with. */
export interface RetryDeps {
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  /** Whether a backend other than those would take an attempt of this call now, or go on from its half answer. */
  readonly hasOther: (call: Call, than: ReadonlySet<string>, from: ContinueFrom | undefined) => boolean
  /** Whether one of those would begin with it at once, as soon as it has a slot. @default `hasOther` */
  readonly hasReady?: (model: string, than: ReadonlySet<string>) => boolean
  /** @default one of its own, of the configured size */
  readonly budget?: RetryBudget
  /** @default nobody looks after a backend that is away, and every sleep lasts its full time */
  readonly awaitReturn?: AwaitReturn | undefined
}

/**
 * Judges an outcome, waits with nothing leased, excludes backends already tried, tries again. A caller who wants the
 * answer whole is given the same care to its last token. Refusals of our own queue, aborts and deadlines pass through.
 */
export function createRetry(options: RetryOptions & { readonly retryBudget: number }, deps: RetryDeps): Layer {
  const { budget = new RetryBudget(options.retryBudget) } = deps
  /** Each call that is in the budget, by what runs at its end. */
  const counted = new WeakSet<CallContext['defer']>()
  return (next) => async (call, context) => {
    // Once a call, at its end: one that was gone on from, or asked again with a larger context, is one success.
    if (!counted.has(context.defer)) {
      counted.add(context.defer)
      context.defer(({ kind }) => {
        if (kind === 'answered') budget.refill(call.tenant)
      })
    }
    const ladder = new RetryLadder(options)
    const hasOther: HasOther = (than) => deps.hasOther(call, new Set(than), context.continueFrom)
    const hasReady: HasOther = (than) => deps.hasReady?.(call.model, new Set(than)) ?? hasOther(than)
    const rests = new Rests(hasOther)
    const sleeper = new Sleeper(deps.runtime.timers, deps.awaitReturn)
    let exclude: ReadonlySet<string> = context.exclude
    let { reason } = context
    // A second attempt beside the first one has a number of its own.
    let latest = context.attempt
    const emit: CallContext['emit'] = (event) => {
      if (event.type === 'attempt') latest = Math.max(latest, event.attempt)
      context.emit(event)
    }
    for (let attempt = latest; ; attempt = ++latest) {
      try {
        return await answer(next, call, { ...context, emit, attempt, reason, exclude })
      } catch (failure) {
        if (!(failure instanceof AttemptFailure)) throw withAttempts(failure, attempt - 1)
        const { verdict, backend } = failure
        const nowMs = deps.runtime.clock.monotonicMs()
        const { beside } = failure
        for (const one of beside === undefined ? [failure] : [beside, failure]) {
          rests.failed(one.backend, one.verdict, nowMs)
          sleeper.failed(one.backend, one.verdict)
        }
        const restMs = rests.leftMs(backend, verdict.retry, nowMs)
        const decision = ladder.decide(verdict, {
          hasOther: hasOther([backend]),
          restMs,
          leftMs: deadlineAtMsOf(context) - nowMs,
          random: deps.runtime.random.next(),
        })
        const isPatient = (waitMs: number): boolean =>
          isWorthTheWait(waitMs, context, nowMs, () => hasReady([...sleeper.absent.keys()]))
        const again =
          decision.retry &&
          mayGoOn(verdict, context) &&
          isPatient(decision.waitMs) &&
          (!decision.costly || budget.take(call.tenant))
        deps.telemetry.emit({
          type: 'attempt-fail',
          id: context.id,
          attempt: failure.attempt ?? attempt,
          backend,
          code: verdict.error.code,
          problem: verdict.error.message,
          ...(again && { waitMs: decision.waitMs }),
          ...(again && !hasOther([]) && { waitsForBackend: true }),
        })
        if (!again) throw new AttemptFailure({ ...verdict, error: verdict.error.with({ attempts: latest }) }, backend)
        const tried = [...new Set([...exclude, backend, ...(beside === undefined ? [] : [beside.backend])])]
        exclude = rests.exclude(tried, backend, nowMs + decision.waitMs)
        reason = verdict.error.code
        const { waitMs } = decision
        if (waitMs === 0) continue
        const isBack = await sleeper.sleep({
          waitMs,
          restMs,
          hasUntried: () => hasOther(tried),
          signal: context.signal,
        })
        // The one that is back is asked, however it failed before; those that are still away or want rest are not.
        if (isBack) exclude = new Set([...sleeper.absent.keys(), ...rests.at(deps.runtime.clock.monotonicMs())])
      }
    }
  }
}

async function answer(next: Service, call: Call, context: CallContext): Promise<Reply> {
  const reply = await next(call, context)
  return call.buffered ? await collect(reply) : reply
}

/** Counts what the failure cost; false when a segment after the first has used up what one call may cost. */
function mayGoOn({ cheap, class: kind }: Verdict, { spent, continueFrom }: CallContext): boolean {
  if (spent === undefined || cheap || kind === 'missing') return true
  spent.costly++
  return continueFrom === undefined || spent.costly < spent.most
}

/** Where there is another way to answer, nobody sleeps for longer than it takes to lose patience, or for the absent. */
function isWorthTheWait(
  waitMs: number,
  { patience, continueFrom }: CallContext,
  nowMs: number,
  hasPresent: () => boolean,
): boolean {
  if (patience === undefined || continueFrom !== undefined || waitMs === 0) return true
  const againAtMs = nowMs + waitMs
  return againAtMs < patience.untilMs && (hasPresent() || againAtMs < (patience.ready?.untilMs ?? 0))
}

/** Tells the caller of a refusal how many attempts had been made before it. */
function withAttempts(error: unknown, attempts: number): unknown {
  return SurefootError.is(error) && attempts > 0 ? error.with({ attempts }) : error
}
