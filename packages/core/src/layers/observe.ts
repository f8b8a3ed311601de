import type { Runtime } from '../runtime/runtime.ts'
import type { Call, CallEnd, Layer } from '../service.ts'
import type { Telemetry, TelemetryEvent } from '../telemetry/telemetry.ts'

/** Tells the telemetry of every call when it begins and how it ended; never what was said. */
export function createObserve(runtime: Runtime, telemetry: Telemetry): Layer {
  return (next) => async (call, context) => {
    const startedAtMs = runtime.clock.monotonicMs()
    let firstTokenMs: number | undefined
    telemetry.emit({ type: 'call-start', id: context.id, model: call.model, promptLength: promptLength(call) })
    context.defer((end) => {
      telemetry.emit({
        type: 'call-end',
        id: context.id,
        model: call.model,
        durationMs: runtime.clock.monotonicMs() - startedAtMs,
        firstTokenMs,
        ...told(end),
      })
    })
    const reply = await next(call, context)
    firstTokenMs = runtime.clock.monotonicMs() - startedAtMs
    return reply
  }
}

type CallEndEvent = TelemetryEvent & { type: 'call-end' }

function told(end: CallEnd): Pick<CallEndEvent, 'outcome' | 'attempts' | 'backend' | 'tokens' | 'problem'> {
  switch (end.kind) {
    case 'answered':
      return {
        outcome: 'answered',
        attempts: end.answer.attempts,
        backend: end.answer.backend,
        tokens: end.answer.eval_count,
      }
    case 'aborted':
      return { outcome: 'aborted', attempts: 0 }
    case 'failed':
      return {
        outcome: end.error.code,
        attempts: end.error.attempts ?? 0,
        backend: end.error.backend,
        problem: end.error.message,
      }
  }
}

function promptLength(call: Call): number {
  return call.request.messages.reduce((sum, message) => sum + message.content.length, 0)
}
