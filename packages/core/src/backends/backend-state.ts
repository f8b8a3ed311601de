import type { BackendState, BackendStatus } from '@surefoot/protocol'

import type { Backend } from './backend.ts'
import type { Fleet } from './fleet.ts'

/** The state of a backend with its time on the wall clock. */
export function stateForPeople(backend: Backend, fleet: Fleet): BackendStatus['state'] {
  const { name, sinceMs, reason } = stateOf(backend, fleet)
  return { name, ...(reason !== undefined && { reason }), sinceAtMs: backend.epochMs(sinceMs) }
}

/** A state, on the monotonic clock. */
interface StateNow {
  readonly name: BackendState
  readonly sinceMs: number
  readonly reason?: string | undefined
}

/** What a backend is doing now, in one word: of several that are true the one that says most about getting an answer. */
function stateOf(backend: Backend, fleet: Fleet): StateNow {
  const { breaker, liveness, loader } = backend
  if (breaker.downSinceMs !== undefined) {
    return { name: 'down', sinceMs: breaker.downSinceMs, reason: breaker.reason }
  }
  if (liveness.wedged !== undefined) return { name: 'wedged', ...liveness.wedged }
  const { suspect } = backend
  if (suspect !== undefined) return { name: 'suspect', sinceMs: suspect.sinceMs, reason: suspect.reason }
  for (const model of backend.gpu.models) {
    const sinceMs = fleet.fellToCpuAtMs(backend, model)
    if (sinceMs !== undefined) return { name: 'degraded-cpu', sinceMs, reason: `${model} runs on the CPU` }
  }
  const load = loader?.current
  if (load !== undefined) return { name: 'loading', sinceMs: load.sinceMs, reason: `loads ${load.model}` }
  const { busySinceMs } = liveness
  if (busySinceMs !== undefined) return { name: 'busy', sinceMs: busySinceMs }
  return { name: 'up', sinceMs: Math.max(breaker.sinceMs, liveness.idleSinceMs) }
}
