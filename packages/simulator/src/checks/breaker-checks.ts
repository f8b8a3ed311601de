import type { TelemetryEvent } from '@surefoot/core'

import type { Exchange } from '../wire/exchange.ts'
import type { Report } from './violation.ts'

/** What core tells of a breaker. */
export type BreakerEvent = Extract<TelemetryEvent, { type: `breaker-${string}` }>

interface Breaker {
  state: 'closed' | 'open' | 'half-open'
  /** Failures on the wire of attempts begun since it last closed. */
  failures: number
  readonly since: Set<Exchange>
  /** Attempts begun while half-open. */
  readonly probes: Set<Exchange>
  /** Loads and canaries begun since it opened: what they come to may move it too. */
  readonly beside: Set<Exchange>
}

/** What is allowed from each state. */
const NEXT: Readonly<Record<Breaker['state'], readonly Breaker['state'][]>> = {
  closed: ['open'],
  open: ['half-open'],
  'half-open': ['closed', 'open'],
}

/** I6: what each breaker says, held against what goes over the wire. */
export class BreakerChecks {
  readonly #threshold: number
  readonly #report: Report
  readonly #breakers = new Map<string, Breaker>()

  constructor(threshold: number, report: Report) {
    this.#threshold = threshold
    this.#report = report
  }

  changed({ type, backend }: BreakerEvent): void {
    const breaker = this.#of(backend)
    const to = type.slice('breaker-'.length) as Breaker['state']
    const { state } = breaker
    if (!NEXT[state].includes(to)) this.#report('I6', `the breaker of ${backend} went from ${state} to ${to}`)
    // The failure that opens it is told before its exchange has ended.
    if (state === 'closed' && to === 'open' && breaker.failures + 1 < this.#threshold) {
      this.#report('I6', `the breaker of ${backend} opened after ${breaker.failures + 1} failures`)
    }
    if (
      state === 'half-open' &&
      to === 'closed' &&
      ![...breaker.probes, ...breaker.beside].some(({ status }) => status === 200)
    ) {
      this.#report('I6', `the breaker of ${backend} closed without a token of a probe`)
    }
    if (state === 'half-open' && to === 'open' && breaker.probes.size + breaker.beside.size === 0) {
      this.#report('I6', `the breaker of ${backend} opened again without a probe`)
    }
    breaker.state = to
    breaker.failures = 0
    breaker.since.clear()
    if (to === 'closed') for (const probe of breaker.probes) breaker.since.add(probe)
    breaker.probes.clear()
    if (to !== 'half-open') breaker.beside.clear()
  }

  /** @param isCall false for a load or a canary: what looks after a backend may look when no call may. */
  dispatched(backend: string, exchange: Exchange, isCall: boolean): void {
    const breaker = this.#of(backend)
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
    if (breaker.state === 'closed') breaker.since.add(exchange)
  }

  ended(backend: string, exchange: Exchange): void {
    const breaker = this.#of(backend)
    if (breaker.since.delete(exchange) && !exchange.wasAnswered) breaker.failures++
  }

  #of(backend: string): Breaker {
    const known = this.#breakers.get(backend)
    if (known !== undefined) return known
    const breaker: Breaker = { state: 'closed', failures: 0, since: new Set(), probes: new Set(), beside: new Set() }
    this.#breakers.set(backend, breaker)
    return breaker
  }
}
