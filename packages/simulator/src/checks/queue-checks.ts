import type { CallRecord } from '../callers/call-record.ts'
import type { Exchange } from '../wire/exchange.ts'
import { FairnessChecks } from './fairness-checks.ts'
import type { Report } from './violation.ts'

/** So many answers tell how long one takes. */
const ENOUGH = 16
const WINDOW = 128
/** A call with less time left than this share of the median answer cannot be answered; core's limit is the median itself. */
const HOPELESS_SHARE = 0.25
/** Nobody waits longer while less than that share of the slots is taken. */
const LONGEST_WAIT_MS = 60_000
const CALM_LOAD = 0.8
/** So many that came later may go before one who has waited that long, between two that came earlier; core lets one. */
const MOST_PASSING = 3

/** A call that has had no attempt yet. */
interface Waiting {
  readonly call: CallRecord
  /** Calls that came later and went first, since one that came earlier did. */
  passedBy: number
}

/** What is known of one model. */
interface Line {
  readonly waiting: Map<number, Waiting>
  readonly holdsMs: number[]
  readonly fairness: FairnessChecks
}

/**
 * The queue of each model as it shows on the wire: a call waits until its first attempt.
 *
 * - I4: no slot is given to a call that cannot make its deadline any more while others wait.
 * - I8: see `FairnessChecks`.
 * - I9: whoever has waited for 60 s is passed by at most three that came later, whatever the load and the priorities;
 *   and when all is well, nobody waits so long while less than 0.8 of the slots are taken.
 */
export class QueueChecks {
  readonly #report: Report
  readonly #nowMs: () => number
  readonly #soon: (work: () => void) => void
  readonly #lines = new Map<string, Line>()
  readonly #isOn: boolean
  readonly #begunMs = new WeakMap<Exchange, number>()
  /** Slots of the backends that have the model in memory; set while all is well. */
  slotsWhenWell: ((model: string | undefined) => number) | undefined

  /**
   * @param soon does something once all that happens now has happened: a refusal is on its way to its caller.
   * @param isOn false where a call may wait in the lines of several models, one after the other
   */
  constructor(nowMs: () => number, report: Report, soon: (work: () => void) => void, isOn = true) {
    this.#isOn = isOn
    this.#nowMs = nowMs
    this.#soon = soon
    this.#report = report
  }

  asked(call: CallRecord): void {
    if (!this.#isOn) return
    this.#lineOf(call).waiting.set(call.id, { call, passedBy: 0 })
  }

  /** @param deadlineAtMs of those who wait for it, the latest */
  dispatched(call: CallRecord, exchange: Exchange, deadlineAtMs: number): void {
    if (!this.#isOn) return
    const line = this.#lineOf(call)
    const nowMs = this.#nowMs()
    this.#begunMs.set(exchange, nowMs)
    if (line.waiting.delete(call.id)) this.#first(call, line, nowMs, deadlineAtMs)
    for (const waiting of line.waiting.values()) {
      if (nowMs - waiting.call.startedMs < LONGEST_WAIT_MS) break
      if (waiting.call.id > call.id) waiting.passedBy = 0
      else if (++waiting.passedBy === MOST_PASSING + 1) this.#passed(waiting, line)
    }
    line.fairness.dispatched(call, exchange, [...line.waiting.values()])
  }

  ended(call: CallRecord, exchange: Exchange): void {
    const { holdsMs, fairness } = this.#lineOf(call)
    fairness.ended(exchange)
    const begunMs = this.#begunMs.get(exchange)
    if (!exchange.wasAnswered || begunMs === undefined) return
    holdsMs.push(this.#nowMs() - begunMs)
    if (holdsMs.length > WINDOW) holdsMs.shift()
    fairness.meanMs = holdsMs.length < ENOUGH ? undefined : holdsMs.reduce((sum, ms) => sum + ms, 0) / holdsMs.length
  }

  /** It has been answered or has left, or was refused, or another one asks in its place. */
  callEnded(call: CallRecord): void {
    const line = this.#lineOf(call)
    line.waiting.delete(call.id)
    line.fairness.callEnded(call)
  }

  #passed({ call, passedBy }: Waiting, line: Line): void {
    this.#soon(() => {
      if (!line.waiting.has(call.id)) return
      this.#report('I9', `call ${call.id} has waited for long and is passed by ${passedBy} later ones`)
    })
  }

  /** It has its first attempt. */
  #first(call: CallRecord, line: Line, nowMs: number, deadlineAtMs: number): void {
    const waitedMs = nowMs - call.startedMs
    if (waitedMs === 0) return
    const medianMs = medianOf(line.holdsMs)
    const leftMs = deadlineAtMs - nowMs
    if (medianMs !== undefined && leftMs < medianMs * HOPELESS_SHARE) {
      this.#soon(() => {
        if (!othersWait(line, nowMs)) return
        const needs = `an answer takes ${Math.round(medianMs)} ms`
        this.#report('I4', `call ${call.id} is given a slot ${Math.round(leftMs)} ms before its deadline; ${needs}`)
      })
    }
    const slots = waitedMs > LONGEST_WAIT_MS ? this.slotsWhenWell?.(call.question.model) : undefined
    if (slots === undefined) return
    const load = line.fairness.servedSince(call.startedMs) / (waitedMs * slots)
    if (load < CALM_LOAD) {
      this.#report('I9', `call ${call.id} has waited ${Math.round(waitedMs / 1_000)} s at load ${load.toFixed(2)}`)
    }
  }

  #lineOf({ question }: CallRecord): Line {
    const model = question.model ?? ''
    const known = this.#lines.get(model)
    if (known !== undefined) return known
    const line: Line = { waiting: new Map(), holdsMs: [], fairness: new FairnessChecks(this.#nowMs, this.#report) }
    this.#lines.set(model, line)
    return line
  }
}

function medianOf(holdsMs: readonly number[]): number | undefined {
  if (holdsMs.length < ENOUGH) return undefined
  return holdsMs.toSorted((a, b) => a - b)[holdsMs.length >> 1]
}

/** Somebody else waits who has not come just now. */
function othersWait({ waiting }: Line, nowMs: number): boolean {
  for (const { call } of waiting.values()) if (call.startedMs < nowMs && call.leftAtMs === undefined) return true
  return false
}
