import type { Backend } from '../../backends/backend.ts'
import type { ModelQueue } from './model-queue.ts'
import type { Waiting } from './waiting.ts'

/** How long a load takes where none was seen yet. */
const UNKNOWN_LOAD_MS = 30_000

/**
 * Sees to it that a model that is waited for comes into memory somewhere: looks where nothing is known, and has it loaded
 * where it is absent; on one backend at a time, and on a further one only when that is faster than waiting for those that
 * have it (reference 2.4). The loads belong to the backends, not to the calls.
 *
 * @returns the backend whose load everybody waits for; `undefined` when a backend is ready.
 */
export function prepareModel(queue: ModelQueue, usable: readonly Backend[]): Backend | undefined {
  const { model } = queue
  const ready: Backend[] = []
  let loading: Backend | undefined
  let absent: Backend | undefined
  let looking = false
  for (const backend of usable) {
    switch (backend.readiness(model)) {
      case 'ready':
        ready.push(backend)
        break
      case 'loading':
        if (loading === undefined || isOverdue(loading, model)) loading = backend
        break
      case 'absent':
        if (absent === undefined || isBetterToLoad(backend, absent)) absent = backend
        break
      case 'unknown':
        looking = true
        backend.want(model)
        break
      case 'outgrown':
        // Nothing is to be done until its calls have ended; another one may be loaded meanwhile.
        break
    }
  }
  const isComing = loading !== undefined && !isOverdue(loading, model)
  if (absent !== undefined && !isComing && !looking && isWorthIt(queue, ready, absent)) {
    absent.want(model)
    if (absent.readiness(model) === 'loading') loading = absent
  }
  return ready.length === 0 ? loading : undefined
}

/** A load that may never end must not keep everybody waiting. */
function isOverdue(backend: Backend, model: string): boolean {
  return backend.loading(model)?.isOverdue === true
}

/** One model is loaded at a time. */
function isBetterToLoad(a: Backend, b: Backend): boolean {
  const fewer = Number(a.loader?.current !== undefined) - Number(b.loader?.current !== undefined)
  return fewer === 0 ? a.slots.held < b.slots.held : fewer < 0
}

function isWorthIt(queue: ModelQueue, ready: readonly Backend[], absent: Backend): boolean {
  if (ready.length === 0) return true
  const slots = ready.reduce((sum, backend) => sum + backend.slots.sizeOf(queue.model), 0)
  const waitMs = queue.expectedWaitMs(queue.length, slots) ?? 0
  return waitMs > (absent.expectedLoadMs(queue.model) ?? UNKNOWN_LOAD_MS)
}

/** Tells a call that its model is being loaded there. */
export function tellLoading(waiting: Waiting, backend: Backend, model: string): void {
  waiting.tellLoading(backend.name, backend.loading(model)?.expectedMs)
}
