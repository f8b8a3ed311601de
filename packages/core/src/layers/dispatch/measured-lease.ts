import type { Backend } from '../../backends/backend.ts'
import type { Lease } from '../../backends/lease.ts'
import type { Verdict } from '../../outcome/verdict.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { ModelQueue } from './model-queue.ts'
import type { Waiting } from './waiting.ts'

/** A lease that tells the queue and the pace of its backend how long everything took. */
export function measuredLease(
  backend: Backend,
  queue: ModelQueue,
  { tenant, applicant }: Waiting,
  clock: Clock,
  startedAtMs: number,
): Lease {
  const { model } = queue
  const wasInMemory = backend.models.residency(model, startedAtMs) === 'in-memory'
  const lease = backend.lease(model)
  const estimatedMs = queue.holds.meanMs ?? 1
  queue.shares.begin(tenant, estimatedMs)
  let gotToken = false
  let ended = false
  return {
    backend,
    model,
    loadedWith: lease.loadedWith,
    residency: lease.residency,
    queuedInside: lease.queuedInside,
    watch: lease.watch,
    firstToken: () => {
      if (!gotToken && wasInMemory && !lease.queuedInside()) {
        backend.pace.firstToken(model, clock.monotonicMs() - startedAtMs, applicant.promptLength ?? 0)
      }
      gotToken = true
      lease.firstToken()
    },
    end: (how) => {
      if (ended) return
      ended = true
      const nowMs = clock.monotonicMs()
      const heldMs = nowMs - startedAtMs
      const isFault = how.kind === 'failed' && !isOfTheCall(how.verdict)
      // What hangs for a minute and fails is no service: its tenant must not stand back twenty answers for it.
      const costMs = isFault ? Math.min(heldMs, queue.holds.meanMs ?? heldMs) : heldMs
      queue.shares.correct(tenant, costMs - estimatedMs)
      if (how.kind === 'whole') {
        queue.holds.whole(heldMs)
        backend.pace.whole(model, heldMs)
      } else if (isFault) backend.pace.failed(nowMs)
      lease.end(how)
    },
  }
}

/** Failed by its caller's mistake or by what it asks for: that says nothing of the backend. */
function isOfTheCall(verdict: Verdict): boolean {
  return verdict.class === 'client' || verdict.class === 'poison'
}
