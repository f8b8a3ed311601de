import type { Lease } from '../../backends/lease.ts'
import type { Layer } from '../../service.ts'

/**
 * What a copy fails by is put down to its model, which is only being tried out: a few of its crashes must not open the
 * breaker of a backend on which everything else works. That nobody could be reached is true for all.
 */
export const lenient: Layer = (next) => (call, context) => {
  const { lease } = context
  return next(call, { ...context, lease: lease && leniently(lease) })
}

function leniently(lease: Lease): Lease {
  return {
    ...lease,
    end: (how) => {
      const isOfBackend = how.kind !== 'failed' || how.verdict.class === 'connect'
      // What the verdict says of the memory stays: its runner is gone.
      lease.end(isOfBackend ? how : { ...how, verdict: { ...how.verdict, class: 'poison' } })
    },
  }
}
