import type { Runtime } from '../runtime/runtime.ts'
import type { CallContext, CallEnd, Layer } from '../service.ts'
import type { Telemetry, TelemetryEvent } from '../telemetry/telemetry.ts'

/** Tells the telemetry of every call when it begins and how it ended; never what was said. */
export function createObserve(runtime: Runtime, telemetry: Telemetry): Layer {
  return (next) => async (call, context) => {
    const startedAtMs = runtime.clock.monotonicMs()
    const seen: Seen = { attempts: 0 }
    telemetry.emit({ type: 'call-start', id: context.id, model: call.model, promptLength: call.promptLength ?? 0 })
    context.defer((end) => {
      telemetry.emit({
        type: 'call-end',
        id: context.id,
        model: call.model,
        durationMs: runtime.clock.monotonicMs() - startedAtMs,
        firstTokenMs: seen.firstTokenMs,
        ...told(end, seen),
      })
    })
    const emit: CallContext['emit'] = (event) => {
      if (event.type === 'attempt') Object.assign(seen, { attempts: event.attempt, backend: event.backend })
      context.emit(event)
    }
    const reply = await next(call, { ...context, emit })
    // A buffered answer arrives here whole; when its first token came is not known.
    if (!call.buffered) seen.firstTokenMs = runtime.clock.monotonicMs() - startedAtMs
    return reply
  }
}

/** What passed by on the way. */
interface Seen {
  attempts: number
  backend?: string
  firstTokenMs?: number
}

type CallEndEvent = TelemetryEvent & { type: 'call-end' }

type Told = Pick<CallEndEvent, 'outcome' | 'served' | 'attempts' | 'backend' | 'tokens' | 'problem'>

function told(end: CallEnd, seen: Seen): Told {
  switch (end.kind) {
    case 'answered':
      return {
        outcome: 'answered',
        served: end.answer.served,
        attempts: end.answer.attempts,
        backend: end.answer.backend,
        tokens: end.answer.eval_count,
      }
    case 'aborted':
      return { outcome: 'aborted', attempts: seen.attempts, backend: seen.backend }
    case 'failed':
      return {
        outcome: end.error.code,
        attempts: end.error.attempts ?? 0,
        backend: end.error.backend,
        problem: end.error.message,
      }
  }
}
