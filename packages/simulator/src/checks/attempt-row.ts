import { CallerLeft } from '../callers/make-call.ts'
import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import { isLoad } from './load-checks.ts'

/** So many are remembered; core remembers fewer. */
const LONGEST = 1_000

/**
 * What is known of an attempt from the wire alone. `broken`: a failure of the backend beyond doubt; `failed`: it may count
 * as one; `neutral`: it says nothing of the backend; `unclear`: nobody looks at it, but something went on there.
 */
type Outcome = 'undecided' | 'answered' | 'broken' | 'failed' | 'neutral' | 'unclear'

interface Entry {
  readonly exchange: Exchange
  outcome: Outcome
}

/** The attempts on one backend since its breaker closed, in the order in which they began. */
export class AttemptRow {
  readonly #entries: Entry[] = []
  readonly #beside = new Set<Exchange>()
  /** Those of them that are no loads, and under way. */
  readonly #questions = new Set<Exchange>()
  /** Loads that failed count as well, wherever they stood. */
  #failedBeside = 0
  #sureFailures = 0

  add(exchange: Exchange): void {
    this.#entries.push({ exchange, outcome: 'undecided' })
    if (this.#entries.length > LONGEST) this.#entries.shift()
  }

  /** A load, a question of core's own, or an attempt whose lease is older than its request. */
  addBeside(exchange: Exchange): void {
    this.#beside.add(exchange)
    if (!isLoad(exchange)) this.#questions.add(exchange)
    this.#entries.push({ exchange, outcome: 'unclear' })
  }

  ended(exchange: Exchange, how: ExchangeEnd, isWaitedFor: boolean): void {
    if (this.#beside.delete(exchange) && !exchange.wasAnswered) this.#failedBeside++
    // Its success stands where its lease was given: among the failures, perhaps.
    if (this.#questions.delete(exchange) && exchange.wasAnswered) this.#sureFailures = 0
    const index = this.#entries.findLastIndex((entry) => entry.exchange === exchange)
    const entry = this.#entries[index]
    if (entry === undefined || entry.outcome === 'unclear') return
    entry.outcome = outcomeOf(exchange, how, isWaitedFor)
    if (entry.outcome === 'broken') this.#sureFailures = Math.max(this.#sureFailures, this.#brokenAround(index))
  }

  /** Something undecided whose place is not known: until it ends it may interrupt every row. */
  get isInterrupted(): boolean {
    return this.#questions.size > 0
  }

  /** The most failures in one row that are failures beyond doubt. */
  get sureFailures(): number {
    return this.#sureFailures
  }

  /** The most failures that may stand in one row: answers interrupt it, and nothing else does. */
  get failures(): number {
    let most = 0
    let count = 0
    for (const { outcome, exchange } of this.#entries) {
      if (outcome === 'answered' || (outcome === 'undecided' && exchange.pieces > 0)) count = 0
      else if (outcome === 'broken' || outcome === 'failed') count++
      most = Math.max(most, count)
    }
    return most + this.#failedBeside
  }

  #brokenAround(index: number): number {
    const isBroken = (at: number): boolean => this.#entries[at]?.outcome === 'broken'
    let [first, last] = [index, index]
    while (isBroken(first - 1)) first--
    while (isBroken(last + 1)) last++
    return last - first + 1
  }
}

function outcomeOf(exchange: Exchange, how: ExchangeEnd, isWaitedFor: boolean): Outcome {
  if (exchange.wasAnswered) return 'answered'
  if (exchange.wasWrong || exchange.overflow !== undefined) return 'neutral'
  if (isWaitedFor && (how === 'refused' || exchange.wasBroken)) return 'broken'
  return exchange.reason instanceof CallerLeft ? 'neutral' : 'failed'
}
