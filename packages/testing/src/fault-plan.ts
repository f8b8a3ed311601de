import type { Fault } from './fault.ts'
import type { RandomSource } from './random.ts'

/** What the plan knows of a request when its head has arrived. */
export interface PlannedRequest {
  readonly isGeneration: boolean
  readonly isReused: boolean
}

/** What happens to a request. */
export interface Verdict {
  readonly fault: Fault | undefined
  /** How long the port closes after this answer, in ms, so that the next connection is refused. */
  readonly refuseNextForMs: number | undefined
}

/** Decides, request by request, which of the faults strikes. */
export interface FaultPlan {
  /** Whether the port stays closed as long as this plan holds. */
  readonly isClosed: boolean
  decide(request: PlannedRequest): Verdict
}

interface Tally {
  readonly fault: Fault
  seen: number
  struck: number
}

/** Makes a plan whose counting starts at zero; in a list the first fault that matches wins. */
export function createFaultPlan(list: readonly Fault[], random: RandomSource): FaultPlan {
  const tallies: Tally[] = list.map((fault) => ({ fault, seen: 0, struck: 0 }))
  return {
    isClosed: list.some((fault) => fault.kind === 'refuse' && !isSelective(fault)),
    decide(request) {
      let refuseNextForMs: number | undefined
      for (const tally of tallies) {
        const { fault } = tally
        if (fault.routes !== 'all' && !request.isGeneration) continue
        if (fault.kind === 'reset-reused' && !request.isReused) continue
        if (fault.kind === 'refuse') {
          // The doomed request never arrives, so it is counted with the one before it.
          if (isSelective(fault) && strikes(tally, random, 1)) refuseNextForMs ??= fault.forMs ?? 5
          continue
        }
        if (strikes(tally, random, 0)) return { fault, refuseNextForMs }
      }
      return { fault: undefined, refuseNextForMs }
    },
  }
}

function isSelective(fault: Fault): boolean {
  return fault.every !== undefined || fault.probability !== undefined || fault.times !== undefined
}

function strikes(tally: Tally, random: RandomSource, lookAhead: 0 | 1): boolean {
  const { every, probability, times } = tally.fault
  tally.seen++
  if (times !== undefined && tally.struck >= times) return false
  if (every !== undefined && (tally.seen + lookAhead) % every !== 0) return false
  if (probability !== undefined && random.next() >= probability) return false
  tally.struck++
  tally.seen += lookAhead
  return true
}
