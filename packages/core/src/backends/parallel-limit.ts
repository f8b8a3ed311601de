/** One call in its slot, from the moment it is sent to its end. */
export interface Seat {
  /** The first token is here: the backend works on this call now. */
  firstToken(nowMs: number): void
  giveBack(nowMs: number): void
  /** Its call has left, and whether the backend still works on it is not known: beside it nothing can be learnt. */
  left(): void
  /** It may stand in the backend's own queue, behind calls of ours that were sent before it: no silence to judge. */
  readonly queuedInside: boolean
}

/** After a trial that failed the next one comes so much later, and each time twice as late. */
const FIRST_TRIAL_PAUSE_MS = 600_000
const LONGEST_TRIAL_PAUSE_MS = 7_200_000
/** So many calls in a row that were served one after the other take one slot away. */
const ONE_BY_ONE_TO_LOWER = 6
/** A first token so many times later than usual was waited for inside the Ollama. */
const LATE_FACTOR = 2
/** Weight of the latest in the usual time to the first token. */
const USUAL_WEIGHT = 0.3
/** A trial that showed nothing, because the call beside it ended too soon, is made again after so long. */
const RETRIAL_MS = 1_000

/**
 * Finds out how many calls an Ollama really serves at a time for one model: no route of it tells `OLLAMA_NUM_PARALLEL`
 * (reference 2.5). It starts at one; while more wait it sends one call too many, and when the first token of that one
 * comes while all others are still being served, the slot is real. One too many costs its caller nothing but the choice of
 * another backend: it waits inside the Ollama instead of in the queue.
 */
export class ParallelLimit {
  readonly #most: number
  readonly #seats = new Set<LearningSeat>()
  #held = 0
  readonly #learns: boolean
  #limit: number
  #nextTrialMs = 0
  #pauseMs = FIRST_TRIAL_PAUSE_MS
  #trial: LearningSeat | undefined
  #oneByOne = 0
  /** Time to the first token of a call that had the backend to itself. */
  #usualMs: number | undefined

  /**
   * @param limit that is known from the start.
   * @param most it will ever try. @default `limit`: nothing is tried
   */
  constructor(limit: number, most: number = limit) {
    this.#most = most
    this.#limit = Math.min(limit, most)
    this.#learns = most > limit
  }

  get limit(): number {
    return this.#limit
  }

  get held(): number {
    return this.#held
  }

  /** Whether one call more than the limit may be sent now, to see what happens. */
  mayTry(nowMs: number): boolean {
    if (this.#limit >= this.#most || this.#trial !== undefined || nowMs < this.#nextTrialMs) return false
    // Only beside calls that are being served can it be seen whether a further one is served too.
    return this.#seats.size === this.#limit && [...this.#seats].every((seat) => seat.isBeingServed)
  }

  take(nowMs: number): Seat {
    this.#held++
    if (!this.#learns) {
      return { firstToken: () => {}, giveBack: () => void this.#held--, left: () => {}, queuedInside: false }
    }
    const seat = new LearningSeat(this.#seats, nowMs, {
      onFirstToken: (tokenAtMs) => this.#onFirstToken(seat, tokenAtMs),
      onEnd: (endedAtMs) => this.#onEnd(seat, endedAtMs),
    })
    if (this.#seats.size >= this.#limit) this.#trial = seat
    this.#seats.add(seat)
    return seat
  }

  #onFirstToken(seat: LearningSeat, nowMs: number): void {
    const besides = [...this.#seats].filter((other) => other !== seat && other.isBeingServed).length
    const tookMs = nowMs - seat.startedAtMs
    const isLate = this.#usualMs === undefined || tookMs > this.#usualMs * LATE_FACTOR
    if (seat === this.#trial) return this.#judgeTrial(besides, isLate, nowMs)
    if (seat.alone) this.#usualMs = (this.#usualMs ?? tookMs) + (tookMs - (this.#usualMs ?? tookMs)) * USUAL_WEIGHT
    if (this.#limit === 1) return
    if (besides > 0) this.#oneByOne = 0
    else if (seat.sawEnd && isLate) this.#oneByOne++
    if (this.#oneByOne < ONE_BY_ONE_TO_LOWER) return
    this.#oneByOne = 0
    this.#limit--
  }

  #judgeTrial(besides: number, isLate: boolean, nowMs: number): void {
    this.#trial = undefined
    if (besides >= this.#limit) {
      this.#limit++
      this.#pauseMs = FIRST_TRIAL_PAUSE_MS
    } else if (isLate) {
      this.#nextTrialMs = nowMs + this.#pauseMs
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_TRIAL_PAUSE_MS)
    } else this.#nextTrialMs = nowMs + RETRIAL_MS
  }

  #onEnd(seat: LearningSeat, nowMs: number): void {
    this.#seats.delete(seat)
    this.#held--
    if (seat === this.#trial) {
      // Nothing was learnt; but one failed trial after the other would be a burden.
      this.#trial = undefined
      this.#nextTrialMs = nowMs + FIRST_TRIAL_PAUSE_MS
    }
    for (const other of this.#seats) other.sawEnd = true
  }
}

interface SeatEvents {
  onFirstToken(nowMs: number): void
  onEnd(nowMs: number): void
}

class LearningSeat implements Seat {
  readonly #before: readonly LearningSeat[]
  readonly #events: SeatEvents
  readonly startedAtMs: number
  /** It began with the backend to itself. */
  readonly alone: boolean
  served = false
  ended = false
  /** Another call of the same model ended while this one waited for its first token. */
  sawEnd = false
  #left = false

  constructor(seats: Iterable<LearningSeat>, nowMs: number, events: SeatEvents) {
    this.#before = [...seats]
    this.alone = this.#before.length === 0
    this.startedAtMs = nowMs
    this.#events = events
  }

  get queuedInside(): boolean {
    return !this.served && this.#before.some((seat) => !seat.ended)
  }

  firstToken(nowMs: number): void {
    if (this.served || this.ended) return
    this.served = true
    this.#events.onFirstToken(nowMs)
  }

  left(): void {
    this.#left = true
  }

  get isBeingServed(): boolean {
    return this.served && !this.#left
  }

  giveBack(nowMs: number): void {
    if (this.ended) return
    this.ended = true
    this.#events.onEnd(nowMs)
  }
}
