import type { LocalSurefoot } from '@surefoot/core'
import { ERROR_CODES, type Served } from '@surefoot/protocol'

/** Counts from the beginning how answers came about. */
export interface AnswerCounts {
  counts(): Record<Served, number>
}

/**
 * Reads it from the telemetry. Calls that their askers ended and questions that were wrong do not count; a call that
 * failed is a `fallback`: whoever asked has put a reply of that kind in the answer's place.
 */
export function countAnswers(telemetry: LocalSurefoot['telemetry']): AnswerCounts {
  const counts: Record<Served, number> = { model: 0, cache: 0, degraded: 0, fallback: 0 }
  telemetry.on((event) => {
    if (event.type !== 'call-end' || event.outcome === 'aborted') return
    if (event.outcome === 'answered') counts[event.served ?? 'model']++
    else if (ERROR_CODES[event.outcome].group !== 'fix') counts.fallback++
  })
  return { counts: () => ({ ...counts }) }
}
