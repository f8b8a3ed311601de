import type { CallRecord } from './callers/call-record.ts'

/** Errors that say: no room or nobody there now, ask again later. */
const REFUSALS = new Set(['QUEUE_FULL', 'QUEUE_TIMEOUT', 'OVERLOADED', 'BREAKER_OPEN', 'SHUTTING_DOWN'])

/** What became of all calls of a world, as numbers. */
export class Tally {
  calls = 0
  answered = 0
  left = 0
  /** Calls whose caller made a mistake, and were told. */
  wrong = 0
  attempts = 0
  resumed = 0
  /** Tokens of whole answers, and tokens that nobody got. */
  tokensDelivered = 0
  tokensForNobody = 0
  readonly failedByCode: Record<string, number> = {}
  /** In virtual milliseconds. */
  readonly answeredAfterMs: number[] = []
  readonly firstTokenAfterMs: number[] = []
  readonly refusedAfterMs: number[] = []
  /** In milliseconds of real time, of those refused at once. */
  readonly refusedWithinCpuMs: number[] = []

  get refused(): number {
    return Object.entries(this.failedByCode).reduce((sum, [code, count]) => sum + (REFUSALS.has(code) ? count : 0), 0)
  }

  get failed(): number {
    return Object.values(this.failedByCode).reduce((sum, count) => sum + count, 0) - this.refused
  }

  ended(call: CallRecord, nowMs: number): void {
    const outcome = call.outcome as string
    this.attempts += call.attempts
    this.resumed += call.resumed
    const tookMs = nowMs - call.startedMs
    if (outcome === 'answered') {
      this.answered++
      this.answeredAfterMs.push(tookMs)
      if (call.firstTokenMs !== undefined) this.firstTokenAfterMs.push(call.firstTokenMs - call.startedMs)
      this.tokensDelivered += call.expectedTokens
      this.tokensForNobody += Math.max(0, call.made - call.expectedTokens)
      return
    }
    if (outcome === 'left') {
      this.left++
      return
    }
    if (call.question.isWrong === true && outcome === 'INVALID_REQUEST') {
      this.wrong++
      return
    }
    this.tokensForNobody += call.made
    this.failedByCode[outcome] = (this.failedByCode[outcome] ?? 0) + 1
    if (REFUSALS.has(outcome)) this.refusedAfterMs.push(tookMs)
  }
}

/** The value below which that share of all values lies. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
}
