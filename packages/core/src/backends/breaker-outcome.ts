import type { Verdict } from '../outcome/verdict.ts'
import type { BreakerOutcome } from './breaker.ts'
import type { AttemptEnd } from './lease.ts'

/** What counts as a failure for the breaker: only what the backend itself did wrong. */
export function breakerOutcome(how: AttemptEnd): BreakerOutcome {
  if (how.kind === 'whole') return 'success'
  if (how.kind === 'left') return 'neutral'
  const counted: Record<Verdict['class'], BreakerOutcome> = {
    connect: 'failure',
    node: 'failure',
    stream: 'failure',
    client: 'neutral',
    missing: 'neutral',
    model: 'neutral',
    overload: 'neutral',
    loading: 'neutral',
    poison: 'neutral',
  }
  return counted[how.verdict.class]
}
