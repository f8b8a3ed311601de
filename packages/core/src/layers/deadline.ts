import { SurefootError } from '@surefoot/protocol'

import type { Runtime } from '../runtime/runtime.ts'
import type { Layer } from '../service.ts'

/** One time budget for the whole call, its stream included: when it is over, everything below is ended. */
export function createDeadline(runtime: Runtime): Layer {
  return (next) => (call, context) => {
    const leftMs = context.deadlineAtMs - runtime.clock.monotonicMs()
    const timer = runtime.timers.set(leftMs, () => {
      const time = leftMs < 1000 ? `${Math.round(leftMs)} ms` : `${Math.round(leftMs / 100) / 10} s`
      context.abort(new SurefootError({ code: 'DEADLINE_EXCEEDED', message: `No whole answer within ${time}.` }))
    })
    context.defer(() => timer.cancel())
    return next(call, context)
  }
}
