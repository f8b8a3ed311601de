import type { BreakerState } from '@surefoot/protocol'

/** How an attempt ended, as far as a breaker is concerned. Neutral: nothing was learnt about the backend. */
export type BreakerOutcome = 'success' | 'failure' | 'neutral'

/** The numbers of one breaker. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly threshold: number
  /** How long it stays open before one call may probe, in milliseconds. */
  readonly openMs: number
  /** Whether it may be probed before `openMs` is over: when the backend was away and is back, or is the last one. */
  readonly earlyClose: boolean
}

/** What changed; told once each. */
export interface BreakerChange {
  readonly state: BreakerState
  readonly failures: number
  /** Why it opened: an error code. */
  readonly reason: string
  /** It opened once more as a probe failed, without new failures in a row. */
  readonly again?: true
}

/** Permission for one attempt. */
export interface Permit {
  /** The first token is here: a success, and the end of a probe. */
  firstToken(nowMs: number): void
  /** The end; counts once. A failure after the first token turns the success into a failure. */
  end(outcome: BreakerOutcome, nowMs: number, reason: string): void
}

/** One admitted attempt in the row; `generation` says whether it still counts. */
interface Admission {
  generation: number
  outcome: BreakerOutcome | 'undecided'
  /** It has ended: its outcome is final. */
  ended: boolean
}

type State =
  | { readonly kind: 'closed'; readonly sinceMs: number }
  | { readonly kind: 'open'; readonly sinceMs: number; readonly reason: string; readonly failures: number }
  | { readonly kind: 'half-open'; readonly sinceMs: number; readonly reason: string; readonly probing: boolean }

/** Streams of one backend that are cut within this time died of one event (F24). */
const SAME_EVENT_MS = 1_000
/** Admissions remembered at the most; older ones no longer count. */
const LONGEST_ROW = 256
/** The last backend of a model is probed after 1, 2, 4 … 60 s. */
const FIRST_LAST_PROBE_MS = 1_000
const LONGEST_LAST_PROBE_MS = 60_000

/**
 * A circuit breaker for calls that last minutes.
 *
 * It counts failures in a row **in the order of admission**, not of ending: an undecided attempt interrupts the row, so a
 * long success that began earlier cannot hide failures and a straggler cannot complete a row. What was admitted before
 * it opened never moves it afterwards. Neutral ends change nothing, in particular they never close it.
 *
 * Time is passed in, and nothing happens by itself: the state after any sequence of calls is a function of the sequence.
 * Source: section 2.6 of the reliability reference.
 */
export class Breaker {
  readonly #options: BreakerOptions
  readonly #onChange: (change: BreakerChange) => void
  #state: State
  #generation = 0
  #row: Admission[] = []
  #lastCutMs = Number.NEGATIVE_INFINITY
  #lastReason = ''
  /** How often it opened without a success in between. */
  #openings = 0
  #downSinceMs: number | undefined

  constructor(options: BreakerOptions, nowMs: number, onChange: (change: BreakerChange) => void = () => {}) {
    this.#options = options
    this.#onChange = onChange
    this.#state = { kind: 'closed', sinceMs: nowMs }
  }

  get state(): BreakerState {
    return this.#state.kind
  }

  get sinceMs(): number {
    return this.#state.sinceMs
  }

  /** Why it is not closed: an error code. */
  get reason(): string | undefined {
    return this.#state.kind === 'closed' ? undefined : this.#state.reason
  }

  /** Since when it has not been closed, probes in between or not; `undefined` while it is. */
  get downSinceMs(): number | undefined {
    return this.#state.kind === 'closed' ? undefined : this.#downSinceMs
  }

  /** Failures in a row up to the latest admission that is decided; those that opened it while it is open. */
  get failures(): number {
    if (this.#state.kind === 'open') return this.#state.failures
    if (this.#state.kind === 'half-open') return 0
    const latest = this.#row.findLastIndex(({ outcome }) => outcome === 'success' || outcome === 'failure')
    return this.#failuresAround(latest)
  }

  /** When one call may probe, while open. The last backend of a model is tried sooner than one of several. */
  nextProbeMs(isLast: boolean): number | undefined {
    if (this.#state.kind !== 'open') return undefined
    const { openMs, earlyClose } = this.#options
    const early = Math.min(FIRST_LAST_PROBE_MS * 2 ** (this.#openings - 1), LONGEST_LAST_PROBE_MS, openMs)
    return this.#state.sinceMs + (isLast && earlyClose ? early : openMs)
  }

  /** Whether an attempt would be admitted now. Changes nothing. */
  admits(nowMs: number, isLast: boolean): boolean {
    switch (this.#state.kind) {
      case 'closed':
        return true
      case 'half-open':
        return !this.#state.probing
      case 'open':
        return nowMs >= (this.nextProbeMs(isLast) as number)
    }
  }

  /** Admits one attempt; ask `admits` first. Unless closed, it is the one probe. */
  admit(nowMs: number): Permit {
    const admission: Admission = { generation: this.#generation, outcome: 'undecided', ended: false }
    if (this.#state.kind !== 'closed') {
      const { kind, reason } = this.#state
      this.#state = { kind: 'half-open', sinceMs: nowMs, reason, probing: true }
      if (kind === 'open') this.#tell(reason)
      return this.#permit(admission)
    }
    this.#row.push(admission)
    if (this.#row.length > LONGEST_ROW) this.#row.shift()
    return this.#permit(admission)
  }

  /** The backend was unreachable and is reachable again: it restarted, so the next call may probe at once. */
  returned(nowMs: number): void {
    if (this.#state.kind !== 'open' || !this.#options.earlyClose) return
    const { reason } = this.#state
    this.#state = { kind: 'half-open', sinceMs: nowMs, reason, probing: false }
    this.#tell(reason)
  }

  #permit(admission: Admission): Permit {
    const counts = (): boolean => !admission.ended && admission.generation === this.#generation
    return {
      firstToken: (nowMs) => {
        if (counts()) this.#succeed(admission, nowMs)
      },
      end: (outcome, nowMs, reason) => {
        if (!counts()) return
        admission.ended = true
        this.#end(admission, outcome, nowMs, reason)
        this.#forgetFinal()
      },
    }
  }

  #end(admission: Admission, outcome: BreakerOutcome, nowMs: number, reason: string): void {
    if (outcome === 'success') {
      this.#succeed(admission, nowMs)
    } else if (outcome === 'failure') {
      this.#fail(admission, nowMs, reason)
    } else if (this.#state.kind === 'half-open') {
      this.#state = { ...this.#state, probing: false }
    } else if (admission.outcome === 'undecided') {
      admission.outcome = 'neutral'
      const index = this.#row.indexOf(admission)
      // It no longer interrupts: what stands left and right of it may now be one row.
      this.#openIfDue(index, nowMs)
    }
  }

  #succeed(admission: Admission, nowMs: number): void {
    if (admission.outcome === 'success') return
    admission.outcome = 'success'
    if (this.#state.kind === 'half-open') {
      const { reason } = this.#state
      this.#state = { kind: 'closed', sinceMs: nowMs }
      this.#openings = 0
      // The probe goes on as the first attempt of the new generation: a later fault of its stream counts there.
      admission.generation = ++this.#generation
      this.#row = [admission]
      this.#tell(reason)
    }
  }

  #fail(admission: Admission, nowMs: number, reason: string): void {
    this.#lastReason = reason
    if (this.#state.kind === 'half-open') {
      this.#open(nowMs, this.#options.threshold)
      return
    }
    const cutInMidStream = admission.outcome === 'success'
    const sameEvent = cutInMidStream && nowMs - this.#lastCutMs < SAME_EVENT_MS
    if (cutInMidStream && !sameEvent) this.#lastCutMs = nowMs
    // Its event is in the row already; and it is no success any more that could interrupt the row.
    admission.outcome = sameEvent ? 'neutral' : 'failure'
    this.#openIfDue(this.#row.indexOf(admission), nowMs)
  }

  #openIfDue(index: number, nowMs: number): void {
    const failures = index === -1 ? 0 : this.#failuresAround(index)
    if (failures >= this.#options.threshold) this.#open(nowMs, failures)
  }

  #open(nowMs: number, failures: number): void {
    const reason = this.#lastReason
    this.#state = { kind: 'open', sinceMs: nowMs, reason, failures }
    this.#generation++
    if (this.#openings++ === 0) this.#downSinceMs = nowMs
    this.#row = []
    this.#tell(reason)
  }

  /** Failures that stand in one row with the admission at `index`, neutral ones passed over. */
  #failuresAround(index: number): number {
    let count = 0
    for (let left = index; left >= 0 && this.#inRow(left); left--) count += this.#failedAt(left)
    for (let right = index + 1; right < this.#row.length && this.#inRow(right); right++) count += this.#failedAt(right)
    return count
  }

  #inRow(index: number): boolean {
    const outcome = this.#row[index]?.outcome
    return outcome === 'failure' || outcome === 'neutral'
  }

  #failedAt(index: number): number {
    return this.#row[index]?.outcome === 'failure' ? 1 : 0
  }

  /** Forgets the oldest admissions as long as they are final and no failures. */
  #forgetFinal(): void {
    const first = this.#row.findIndex(({ ended, outcome }) => !ended || outcome === 'failure')
    if (first !== 0) this.#row.splice(0, first === -1 ? this.#row.length : first)
  }

  #tell(reason: string): void {
    const again = this.#state.kind === 'open' && this.#openings > 1
    this.#onChange({ state: this.#state.kind, failures: this.failures, reason, ...(again && { again }) })
  }
}
