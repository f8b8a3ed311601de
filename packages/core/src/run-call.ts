import { SurefootError, createRun, isRunId } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ChatInput, FinishEvent, Run, RunSink } from '@surefoot/protocol'

import type { Config } from './config/config.ts'
import { AnswerBuilder } from './create-answer.ts'
import { createCall, isObject, isSignal } from './create-call.ts'
import { errorOf } from './outcome/error-of.ts'
import { abortable } from './runtime/abortable.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { CallContext, CallEnd, Final, Service } from './service.ts'

/** What a run is made with. */
export interface RunCallDeps {
  readonly stack: Service
  readonly config: Config
  readonly runtime: Runtime
  readonly createId: () => string
  /** Throws when no new calls are taken. */
  readonly admit: () => void
}

/**
 * Runs one call through the stack: the way from a caller's words to the events and the answer of a run, and back.
 * `ended` resolves when everything that belongs to the call has been given back.
 */
export function runCall(
  input: ChatInput,
  given: CallOptions,
  deps: RunCallDeps,
): { readonly run: Run; readonly ended: Promise<void> } {
  const { runtime, config } = deps
  // What is no object is refused by `createCall`, as everything that is wrong, through the run.
  const options: CallOptions = isObject(given) ? given : {}
  const id = isRunId(options.runId) ? options.runId : deps.createId()
  const controller = new AbortController()
  const callerSignal = isSignal(options.signal) ? options.signal : undefined
  const onCallerAbort = (): void => controller.abort(callerSignal?.reason)
  const cleanups: ((end: CallEnd) => void)[] = []
  const builder = new AnswerBuilder()
  let attempts = 0
  let resumed = 0
  let resumedOn: string | undefined
  let shown = false

  const execute = async (sink: RunSink): Promise<ChatAnswer> => {
    deps.admit()
    callerSignal?.throwIfAborted()
    const call = createCall(input, given, config)
    callerSignal?.addEventListener('abort', onCallerAbort, { once: true })
    const startedAtMs = runtime.clock.monotonicMs()
    const context: CallContext = {
      id,
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      startedAtMs,
      deadlineAtMs: startedAtMs + (options.deadlineMs ?? config.deadlineMs),
      attempt: 1,
      exclude: new Set(),
      emit: (event) => {
        if (event.type === 'attempt') attempts = event.attempt
        else if (event.type === 'resumed') {
          resumed++
          resumedOn = event.backend
        }
        sink.emit(event)
      },
      defer: (cleanup) => cleanups.push(cleanup),
    }
    const { body, backend, how } = await deps.stack(call, context)
    for (;;) {
      const { value, done } = await body.next()
      if (done === true) {
        const answer = builder.finish(value, { id, attempts, backend: resumedOn ?? backend, resumed, ...how })
        sink.emit(new WireFinish(answer, call.buffered ? undefined : value))
        return answer
      }
      builder.add(value)
      if (call.buffered) continue
      shown = true
      sink.emit(value)
      const caughtUp = sink.ready()
      // A reader that never comes back must not keep the call from ending with its signal or deadline.
      if (caughtUp !== undefined) await abortable(caughtUp, controller.signal)
    }
  }

  const toEnd = (failure: unknown): CallEnd => {
    const reason: unknown = controller.signal.aborted ? controller.signal.reason : failure
    if (callerSignal?.aborted === true && reason === callerSignal.reason) return { kind: 'aborted' }
    if (controller.signal.aborted && !SurefootError.is(reason)) return { kind: 'aborted' }
    const error = errorOf(reason)
    return {
      kind: 'failed',
      error: error.with({ attempts: error.attempts ?? attempts, ...(shown && { partial: builder.text }) }),
    }
  }

  const guarded = async (sink: RunSink): Promise<ChatAnswer> => {
    let end: CallEnd | undefined
    try {
      const answer = await execute(sink)
      end = { kind: 'answered', answer }
      return answer
    } catch (failure) {
      end = toEnd(failure)
      // A fault of our own leaves an attempt behind that nobody reads: it must not keep its slot.
      controller.abort(failure)
      throw end.kind === 'failed' ? end.error : controller.signal.reason
    } finally {
      callerSignal?.removeEventListener('abort', onCallerAbort)
      for (const cleanup of cleanups) cleanup(end as CallEnd)
      resolveEnded()
    }
  }

  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<void>()
  return { run: createRun(id, guarded, (reason) => controller.abort(reason)), ended }
}

/** The end of a run; the final line as it came is there too, but does not take part when it is printed as JSON. */
class WireFinish implements FinishEvent {
  readonly type = 'finish' as const
  readonly answer: ChatAnswer
  readonly #final: Final | undefined

  constructor(answer: ChatAnswer, final: Final | undefined) {
    this.answer = answer
    this.#final = final
  }

  /** The final line without its line end; absent for a buffered run. */
  get bytes(): Uint8Array | undefined {
    return this.#final?.bytes
  }
}
