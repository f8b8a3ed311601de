import type { Backend } from '../../backends/backend.ts'
import type { ModelQueue } from './model-queue.ts'

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
        loading = backend
        break
      case 'absent':
        if (absent === undefined || backend.slots.held < absent.slots.held) absent = backend
        break
      case 'unknown':
        looking = true
        backend.want(model)
        break
    }
  }
  if (absent !== undefined && loading === undefined && !looking && isWorthIt(queue, ready, absent)) {
    absent.want(model)
    if (absent.readiness(model) === 'loading') loading = absent
  }
  return ready.length === 0 ? loading : undefined
}

function isWorthIt(queue: ModelQueue, ready: readonly Backend[], absent: Backend): boolean {
  if (ready.length === 0) return true
  const slots = ready.reduce((sum, backend) => sum + backend.slots.sizeOf(queue.model), 0)
  const waitMs = queue.expectedWaitMs(queue.length, slots) ?? 0
  return waitMs > (absent.expectedLoadMs(queue.model) ?? UNKNOWN_LOAD_MS)
}
