import type { CallRecord } from '../callers/call-record.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { Report } from './violation.ts'

/**
 * I8: while a tenant waits another one gets at most five times what is the first one's turn, one mean answer; and the rest
 * of an answer that is longer than the mean, which nobody could know when it began.
 */
const MOST_SHARES = 5 + 1
/** What a tenant got within so many mean answers before it began to wait may be why it waits now. */
const LOOKED_BACK = 20
/** Whoever has waited so long goes every second time, whoever it is. */
const AGED_MS = 45_000
/** Of one attempt only so many mean answers count: how long an answer gets is known only at its end. */
const MOST_OF_ONE = 2
/** Attempts remembered. */
const MOST_SERVED = 2_000

const RANKS: Readonly<Record<string, number>> = { critical: 0, high: 1, normal: 2, low: 3 }

interface Served {
  readonly exchange: Exchange
  readonly tenant: string
  readonly rank: number
  /** It may have been its turn because it had waited for long. */
  readonly isAged: boolean
  readonly beganMs: number
  endedMs: number
}

/**
 * I8 of one model, in slot time on the wire. It is a tenant's turn when one of its calls waits, nobody of a higher priority
 * has been served since that came, and the tenant has had no more than one mean answer lately. If another tenant, with
 * calls that are not more important, is given more than five mean answers while it waits, that is no fair share. What is
 * given to calls that have waited for long counts only as far as it is more than what all the others are given.
 */
export class FairnessChecks {
  readonly #nowMs: () => number
  readonly #report: Report
  readonly #served: Served[] = []
  /** Calls that somebody more important has gone before. */
  readonly #outranked = new WeakSet<CallRecord>()
  readonly #reported = new WeakSet<CallRecord>()
  /** How long an answer takes; nothing is judged until that is known. */
  meanMs: number | undefined

  constructor(nowMs: () => number, report: Report) {
    this.#nowMs = nowMs
    this.#report = report
  }

  dispatched(call: CallRecord, exchange: Exchange, waiting: readonly { readonly call: CallRecord }[]): void {
    const [tenant, rank, nowMs] = [tenantOf(call), rankOf(call), this.#nowMs()]
    const isAged = nowMs - call.startedMs >= AGED_MS
    this.#served.push({ exchange, tenant, rank, isAged, beganMs: nowMs, endedMs: Number.POSITIVE_INFINITY })
    if (this.#served.length > MOST_SERVED) this.#served.shift()
    for (const { call: other } of waiting) {
      if (rank < rankOf(other)) this.#outranked.add(other)
      else if (tenantOf(other) !== tenant && other.startedMs < nowMs) this.#judge(other, tenant)
    }
  }

  ended(exchange: Exchange): void {
    const served = this.#served.findLast((each) => each.exchange === exchange)
    if (served !== undefined) served.endedMs = this.#nowMs()
  }

  /** Slot time from then on, of everybody. */
  servedSince(sinceMs: number): number {
    return this.#servedSince(sinceMs, Number.POSITIVE_INFINITY, () => true)
  }

  callEnded(call: CallRecord): void {
    this.#outranked.delete(call)
  }

  #judge(waiting: CallRecord, tenant: string): void {
    const { meanMs } = this
    if (meanMs === undefined || this.#outranked.has(waiting) || this.#reported.has(waiting)) return
    const rank = rankOf(waiting)
    const { startedMs } = waiting
    const mostMs = meanMs * MOST_OF_ONE
    const isOther = (each: Served): boolean => each.tenant === tenant && each.rank >= rank && each.beganMs >= startedMs
    const young = this.#servedSince(startedMs, mostMs, (each) => isOther(each) && !each.isAged)
    const aged = this.#servedSince(startedMs, mostMs, (each) => isOther(each) && each.isAged)
    const ofTheRest = this.#servedSince(
      startedMs,
      mostMs,
      (each) => each.beganMs >= startedMs && each.tenant !== tenant,
    )
    const ofOther = young + Math.max(0, aged - ofTheRest)
    if (ofOther <= MOST_SHARES * meanMs) return
    const own = tenantOf(waiting)
    const sinceMs = startedMs - LOOKED_BACK * meanMs
    if (this.#servedSince(sinceMs, Number.POSITIVE_INFINITY, (each) => each.tenant === own) > meanMs) return
    this.#reported.add(waiting)
    const shares = (ofOther / meanMs).toFixed(1)
    this.#report('I8', `call ${waiting.id} of ${own} waits while ${tenant} is given ${shares} answers`)
  }

  /** Slot time from then on of the attempts for which that is true. */
  #servedSince(sinceMs: number, mostMs: number, counts: (served: Served) => boolean): number {
    const nowMs = this.#nowMs()
    let sum = 0
    for (const each of this.#served) {
      if (each.endedMs < sinceMs || !counts(each)) continue
      sum += Math.min(mostMs, Math.min(each.endedMs, nowMs) - Math.max(each.beganMs, sinceMs))
    }
    return sum
  }
}

function tenantOf({ question }: CallRecord): string {
  return question.tenant ?? ''
}

function rankOf({ priority }: CallRecord): number {
  return RANKS[priority ?? 'normal'] as number
}
