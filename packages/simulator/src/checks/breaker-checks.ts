import type { TelemetryEvent } from '@surefoot/core'

import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import { AttemptRow } from './attempt-row.ts'
import type { Report } from './violation.ts'

/** What core tells of a breaker. */
export type BreakerEvent = Extract<TelemetryEvent, { type: `breaker-${string}` }>

interface Breaker {
  state: 'closed' | 'open' | 'half-open'
  /** Begun since it last closed. */
  row: AttemptRow
  /** The row before: the failure that opened it is told before its exchange has ended. */
  lastRow: AttemptRow
  /** When it has to be open at the latest. */
  dueAtMs: number | undefined
  /** Calls begun while half-open. */
  probes: Set<Exchange>
  /** Loads and canaries begun since it opened: what they come to may move it too. */
  beside: Set<Exchange>
}

/** What is allowed from each state. */
const NEXT: Readonly<Record<Breaker['state'], readonly Breaker['state'][]>> = {
  closed: ['open'],
  open: ['half-open'],
  'half-open': ['closed', 'open'],
}
/** The first piece of a probe's answer closes the breaker; it may have come in pieces itself. */
const FIRST_PIECES = 3
/**
 * A stream that is to be gone on with may have its place in the row a while before the first request that shows it. Where
 * there are many models on different backends, calls follow each other fast enough for a whole row of failures meanwhile.
 */
const HELD_MS = 1_000

/** I6: what each breaker says, held against what goes over the wire. */
export class BreakerChecks {
  readonly #threshold: number
  readonly #nowMs: () => number
  readonly #graceMs: number
  readonly #report: Report
  readonly #soon: (work: () => void) => void
  readonly #breakers = new Map<string, Breaker>()

  /**
   * @param soon does something once all that happens now has happened: a failure is told before its exchange has ended.
   * @param hasCapabilities more may go on than calls for one model or two
   */
  constructor(
    threshold: number,
    hasCapabilities: boolean,
    nowMs: () => number,
    report: Report,
    soon: (work: () => void) => void,
  ) {
    this.#threshold = threshold
    this.#graceMs = hasCapabilities ? HELD_MS : 0
    this.#nowMs = nowMs
    this.#report = report
    this.#soon = soon
  }

  changed({ type, backend }: BreakerEvent): void {
    const breaker = this.#of(backend)
    const to = type.slice('breaker-'.length) as Breaker['state']
    const { state } = breaker
    if (!NEXT[state].includes(to)) this.#report('I6', `the breaker of ${backend} went from ${state} to ${to}`)
    if (state === 'closed' && to === 'open') this.#opened(backend, breaker.row)
    if (state === 'half-open' && to === 'closed') this.#closed(backend, breaker)
    if (state === 'half-open' && to === 'open') this.#openedAgain(backend, breaker)
    breaker.state = to
    if (to !== 'half-open') {
      breaker.lastRow = breaker.row
      breaker.row = new AttemptRow()
      if (to === 'closed') {
        for (const probe of breaker.probes) breaker.row.add(probe)
        for (const beside of breaker.beside) if (!beside.ended) breaker.row.addBeside(beside)
      }
      breaker.beside = new Set()
    }
    breaker.probes = new Set()
  }

  /** @param isCall false for a load or a canary: what looks after a backend may look when no call may. */
  dispatched(backend: string, exchange: Exchange, isCall: boolean): void {
    const breaker = this.#of(backend)
    if (breaker.state === 'closed') {
      if (isCall && this.#isOverdue(breaker)) {
        const failures = `${breaker.row.sureFailures} failures in a row`
        this.#report('I6', `the breaker of ${backend} is closed after ${failures}`)
      }
      if (isCall) breaker.row.add(exchange)
      else breaker.row.addBeside(exchange)
    }
    if (!isCall) {
      breaker.beside.add(exchange)
      return
    }
    if (breaker.state === 'open') this.#report('I6', `an attempt went to ${backend} while its breaker was open`)
    if (breaker.state === 'half-open') {
      // One whose caller left while it was still being connected never reaches the backend.
      const others = [...breaker.probes].filter(({ started, ended }) => started && !ended)
      if (others.length > 0) this.#report('I6', `${backend} is probed by two calls at once`)
      breaker.probes.add(exchange)
    }
  }

  /** @param isWaitedFor its call has neither ended nor been left */
  ended(backend: string, exchange: Exchange, how: ExchangeEnd, isWaitedFor: boolean): void {
    const { row, lastRow } = this.#of(backend)
    row.ended(exchange, how, isWaitedFor)
    lastRow.ended(exchange, how, isWaitedFor)
  }

  /** It should have opened some time ago. */
  #isOverdue(breaker: Breaker): boolean {
    const { row } = breaker
    if (row.isInterrupted || row.sureFailures < this.#threshold) {
      breaker.dueAtMs = undefined
      return false
    }
    breaker.dueAtMs ??= this.#nowMs() + this.#graceMs
    return this.#nowMs() >= breaker.dueAtMs
  }

  #opened(backend: string, row: AttemptRow): void {
    this.#soon(() => {
      const { failures } = row
      if (failures < this.#threshold) {
        this.#report('I6', `the breaker of ${backend} opened after ${failures} failures in a row`)
      }
    })
  }

  #closed(backend: string, { probes, beside }: Breaker): void {
    const answered = [...probes, ...beside].filter(({ status }) => status === 200)
    if (answered.length === 0) this.#report('I6', `the breaker of ${backend} closed without a token of a probe`)
    else if (answered.every(({ pieces }) => pieces > FIRST_PIECES)) {
      this.#report('I6', `the breaker of ${backend} closed long after the first token of its probe`)
    }
  }

  #openedAgain(backend: string, { probes, beside }: Breaker): void {
    const asked = [...probes, ...beside]
    this.#soon(() => {
      if (!asked.some(({ ended, wasAnswered, wasWrong }) => ended && !wasAnswered && !wasWrong)) {
        this.#report('I6', `the breaker of ${backend} opened again though no probe of it has failed`)
      }
    })
  }

  #of(backend: string): Breaker {
    const known = this.#breakers.get(backend)
    if (known !== undefined) return known
    const [row, lastRow] = [new AttemptRow(), new AttemptRow()]
    const breaker: Breaker = { state: 'closed', row, lastRow, dueAtMs: undefined, probes: new Set(), beside: new Set() }
    this.#breakers.set(backend, breaker)
    return breaker
  }
}
