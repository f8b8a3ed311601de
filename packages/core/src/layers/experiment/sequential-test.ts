/** How often, at the most, a winner is declared though none is better. */
const FALSE_WINNERS = 0.05
/** Observations of one arm in a block at the most; the arm that is seen least decides how much is learned. */
const LARGEST_BLOCK = 100
/** Full halves of blocks that wait for the other arms, for each arm; beyond that the oldest is left out. */
const MOST_WAITING = 16

/**
 * Which of several arms succeeds more often than every other one: a test that may be looked at after every observation.
 *
 * Observations are compared in blocks of as many from each arm as its weight says, 9 and 1 for instance, each arm's in the
 * order in which they come. For each ordered pair of arms it plays a bet against "the first succeeds no more often than the
 * second": with `n(a)` and `n(b)` of them in a block, each observation `y` of the two multiplies the stake by `p(y|arm) /
 * p(y)`, where `p` is the mean of both rates by `n`. Under that sentence it grows in no way on average, whatever the true
 * rates are and however they change from block to block. The rates are guessed from earlier blocks alone, `(successes + ½)
 * / (observations + 1)` (Krichevsky and Trofimov, IEEE Trans. Inf. Theory 27, 1981); where they say that the first arm is
 * the worse one, nothing is staked. By Ville's inequality such a stake ever grows `k / 0.05` times with probability
 * `0.05 / k` at the most, so that of `k` arms that are equal, one is declared the winner in 5 of 100 experiments at the
 * most, however long and however often it is looked at. An arm has won when all its stakes have grown so far. Sources:
 * Turner, Ly and Grünwald, "Generic e-variables for exact sequential k-sample tests", Journal of Statistical Planning and
 * Inference 230, 2024; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference",
 * Statistical Science 38, 2023.
 *
 * It asks nothing of which arm is seen when: one that is slow, whose callers leave more often, or whose answers are judged
 * less often, is at no disadvantage by that. It holds for observations that do not hang together: one for each person or
 * conversation.
 */
export class SequentialTest {
  readonly #arms: readonly Observed[]
  readonly #enough: number
  #observed = 0
  #winner: number | undefined

  /** @param weights how often each arm is chosen, beside the others; two at least, each above 0. */
  constructor(weights: readonly number[]) {
    const least = Math.min(...weights)
    this.#arms = weights.map((weight) => new Observed(Math.min(LARGEST_BLOCK, Math.round(weight / least))))
    this.#enough = Math.log(weights.length / FALSE_WINNERS)
  }

  /** Observations so far, those after the decision included. */
  get observed(): number {
    return this.#observed
  }

  /** The arm that is better than all others; once there is one, it stays. */
  get winner(): number | undefined {
    return this.#winner
  }

  /** One more observation. */
  observe(arm: number, isSuccess: boolean): void {
    this.#observed++
    if (this.#winner !== undefined) return
    this.#arms[arm]?.observe(isSuccess)
    if (!this.#arms.every(({ waiting }) => waiting.length > 0)) return
    for (const one of this.#arms) for (const other of this.#arms) bet(one, other)
    for (const one of this.#arms) one.close()
    const winner = this.#arms.findIndex((one) => this.#hasWon(one))
    if (winner !== -1) this.#winner = winner
  }

  #hasWon({ against }: Observed): boolean {
    if (against.size < this.#arms.length - 1) return false
    for (const stake of against.values()) if (stake < this.#enough) return false
    return true
  }
}

/** What is known of one arm. */
class Observed {
  /** Of its observations so many are in a block. */
  readonly size: number
  /** Successes in its parts of blocks that other arms have not filled yet; the first one is next. */
  readonly waiting: number[] = []
  /** The logarithms of its stakes, by the arm that each is against; none before the first bet. */
  readonly against = new Map<Observed, number>()
  #open = { count: 0, successes: 0 }
  #closed = { count: 0, successes: 0 }

  constructor(size: number) {
    this.size = size
  }

  /** From earlier blocks alone. */
  get rate(): number {
    return (this.#closed.successes + 0.5) / (this.#closed.count + 1)
  }

  observe(isSuccess: boolean): void {
    const open = this.#open
    open.count++
    if (isSuccess) open.successes++
    if (open.count < this.size) return
    this.#open = { count: 0, successes: 0 }
    this.waiting.push(open.successes)
    // Old ones would be held against what the others do at another time.
    if (this.waiting.length > MOST_WAITING) this.waiting.shift()
  }

  /** The block is done. */
  close(): void {
    this.#closed.count += this.size
    this.#closed.successes += this.waiting.shift() ?? 0
  }
}

/** On the block that is next. */
function bet(better: Observed, worse: Observed): void {
  if (better.rate <= worse.rate) return
  const mean = (better.size * better.rate + worse.size * worse.rate) / (better.size + worse.size)
  const growth = growthOf(better, mean) + growthOf(worse, mean)
  better.against.set(worse, (better.against.get(worse) ?? 0) + growth)
}

function growthOf({ rate, size, waiting: [successes = 0] }: Observed, mean: number): number {
  return successes * Math.log(rate / mean) + (size - successes) * Math.log((1 - rate) / (1 - mean))
}
