import type { Backend } from '../../backends/backend.ts'
import type { Lease } from '../../backends/lease.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { abortable } from '../../runtime/abortable.ts'
import type { Call, CallContext, Layer } from '../../service.ts'
import { deadlineAtMsOf, priorityOf } from '../../terms.ts'
import { CannotContinue, leaseToContinue } from './continuing.ts'
import type { Continuing, Leased } from './continuing.ts'
import type { Dispatcher } from './dispatcher.ts'

/**
 * Once per attempt: waits in the model's queue until an eligible slot is free, and takes queue place, breaker permit and
 * slot as one lease. An open breaker is here "not eligible", never an error that burns an attempt.
 *
 * @param ensureInstalled rejects when it is certain that no backend has the model; resolves at once when nothing is known.
 * @param continuing knows who can go on from a half answer; without it nobody is asked to.
 * @param eligible which backends calls may go to from their beginning. @default all
 */
export function createDispatch(
  dispatcher: Dispatcher,
  ensureInstalled: (model: string) => Promise<void> | undefined,
  continuing?: Continuing,
  eligible?: (backend: Backend) => boolean,
): Layer {
  const leaseFor = async (call: Call, context: CallContext): Promise<Leased> => {
    const { continueFrom, signal } = context
    if (continueFrom === undefined) return { lease: await waitForLease(dispatcher, call, context, eligible) }
    if (continuing === undefined) throw new CannotContinue()
    const wait = (eligible: (backend: Backend) => boolean): Promise<Lease> =>
      waitForLease(dispatcher, call, context, eligible)
    return await leaseToContinue(continuing, call, continueFrom, signal, wait, (lease) => tellAttempt(context, lease))
  }
  return (next) => async (call, context) => {
    const installed = ensureInstalled(call.model)
    if (installed !== undefined) await abortable(installed, context.signal)
    const leased = await leaseFor(call, context)
    const { lease } = leased
    tellAttempt(context, lease)
    try {
      return await next(call, { ...context, ...leased })
    } catch (error) {
      // An attempt that ended ended its lease; after an abort it may still hold it on purpose. Anything else is a fault of ours.
      if (!(error instanceof AttemptFailure) && !context.signal.aborted) lease.end({ kind: 'left' })
      throw error
    }
  }
}

function tellAttempt({ emit, attempt, reason }: CallContext, { backend }: Lease): void {
  emit({ type: 'attempt', attempt, backend: backend.name, ...(reason !== undefined && { reason }) })
}

function waitForLease(
  dispatcher: Dispatcher,
  call: Call,
  context: CallContext,
  eligible?: (backend: Backend) => boolean,
): Promise<Lease> {
  return new Promise((resolve, reject) => {
    const { signal } = context
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    const onAbort = (): void => {
      withdraw()
      reject(signal.reason as Error)
    }
    const done = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, { once: true })
    let withdraw = (): void => {}
    withdraw = dispatcher.apply(call.model, {
      exclude: context.exclude,
      eligible,
      onlyIfIdle: context.onlyIfIdle,
      priority: priorityOf(call, context),
      tenant: call.tenant,
      affinityKey: call.affinityKey,
      promptLength: call.promptLength,
      callSinceMs: context.startedAtMs,
      deadlineAtMs: deadlineAtMsOf(context),
      terms: context.terms,
      // Half an answer has no other way to become whole.
      patience: context.continueFrom === undefined ? context.patience : undefined,
      grant: (lease) => {
        done()
        // Whoever left while the lease was being made must not keep it.
        if (signal.aborted) lease.end({ kind: 'left' })
        resolve(lease)
      },
      refuse: (error) => {
        done()
        reject(error as Error)
      },
      queued: (position, waitingFor, expectedWaitMs) =>
        context.emit({ type: 'queued', position, waitingFor, ...(expectedWaitMs !== undefined && { expectedWaitMs }) }),
      loading: (backend, expectedMs) =>
        context.emit({ type: 'loading', model: call.model, backend, ...(expectedMs !== undefined && { expectedMs }) }),
    })
  })
}
