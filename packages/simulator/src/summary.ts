import type { Violation } from './checks/violation.ts'
import type { WorldResult } from './world.ts'

/** What is kept of one or of many worlds: plain numbers, which can be added and sent between threads. */
export interface Summary {
  seeds: number
  hours: number
  calls: number
  answered: number
  refused: number
  left: number
  wrong: number
  readonly failedByCode: Record<string, number>
  attempts: number
  resumed: number
  tokensDelivered: number
  tokensForNobody: number
  events: number
  readonly violations: (Violation & { readonly seed: number })[]
  /** Of the latest world. */
  hash: string
}

export function emptySummary(): Summary {
  return {
    seeds: 0,
    hours: 0,
    calls: 0,
    answered: 0,
    refused: 0,
    left: 0,
    wrong: 0,
    failedByCode: {},
    attempts: 0,
    resumed: 0,
    tokensDelivered: 0,
    tokensForNobody: 0,
    events: 0,
    violations: [],
    hash: '',
  }
}

export function summaryOf({ seed, hash, events, hours, violations, tally }: WorldResult): Summary {
  const { failedByCode, calls, answered, refused, left, wrong, attempts, resumed } = tally
  return {
    seeds: 1,
    hours,
    calls,
    answered,
    refused,
    left,
    wrong,
    failedByCode: { ...failedByCode },
    attempts,
    resumed,
    tokensDelivered: tally.tokensDelivered,
    tokensForNobody: tally.tokensForNobody,
    events,
    hash,
    violations: violations.map((violation) => ({ ...violation, seed })),
  }
}

/** Adds the second to the first. */
export function addSummary(sum: Summary, more: Summary): void {
  sum.seeds += more.seeds
  sum.hours += more.hours
  sum.calls += more.calls
  sum.answered += more.answered
  sum.refused += more.refused
  sum.left += more.left
  sum.wrong += more.wrong
  sum.attempts += more.attempts
  sum.resumed += more.resumed
  sum.tokensDelivered += more.tokensDelivered
  sum.tokensForNobody += more.tokensForNobody
  sum.events += more.events
  sum.hash = more.hash
  for (const [code, count] of Object.entries(more.failedByCode)) {
    sum.failedByCode[code] = (sum.failedByCode[code] ?? 0) + count
  }
  sum.violations.push(...more.violations)
}
