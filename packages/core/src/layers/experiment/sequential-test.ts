/** How often, at the most, a winner is declared though none is better. */
const FALSE_WINNERS = 0.05

/**
 * Which of several arms succeeds more often than every other one: a test that may be looked at after every observation.
 *
 * For each ordered pair of arms it plays a bet against "the first succeeds no more often than the second". Who answered
 * was drawn by weight, so under that sentence a success says nothing for the first arm: when arm `a` shows outcome `y`,
 * the stake is multiplied by `p(y|a) / Σ share(b) p(y|b)` over both arms, with shares by weight, and grows in no way on
 * average, whatever the true rates are and however they change with time. The rates `p` are guessed from earlier
 * observations alone, `(successes + ½) / (observations + 1)` (Krichevsky and Trofimov, IEEE Trans. Inf. Theory 27, 1981);
 * where they say that the first arm is the worse one, nothing is staked. By Ville's inequality such a stake ever grows
 * `k / 0.05` times with probability `0.05 / k` at the most, so that of `k` arms that are equal, one is declared the winner
 * in 5 of 100 experiments at the most, however long and however often it is looked at. An arm has won when all its stakes
 * have grown so far. Sources: Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
 * inference", Statistical Science 38, 2023; Turner, Ly and Grünwald, "Generic e-variables for exact sequential k-sample
 * tests", Journal of Statistical Planning and Inference 230, 2024.
 *
 * It holds for observations that do not hang together: one for each person or conversation.
 */
export class SequentialTest {
  readonly #arms: readonly Stakes[]
  readonly #enough: number
  #observed = 0
  #winner: number | undefined

  /** @param weights how often each arm is chosen, beside the others; two at least, each above 0. */
  constructor(weights: readonly number[]) {
    this.#arms = weights.map((weight) => ({ weight, count: 0, successes: 0, against: new Map() }))
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

  /** One more observation of an arm that was chosen by weight alone. */
  observe(arm: number, isSuccess: boolean): void {
    this.#observed++
    const shown = this.#arms[arm]
    if (this.#winner !== undefined || shown === undefined) return
    for (const other of this.#arms) if (other !== shown) bet(shown, other, isSuccess)
    shown.count++
    if (isSuccess) shown.successes++
    const winner = this.#arms.findIndex((one) => this.#hasWon(one))
    if (winner !== -1) this.#winner = winner
  }

  #hasWon({ against }: Stakes): boolean {
    if (against.size < this.#arms.length - 1) return false
    for (const stake of against.values()) if (stake < this.#enough) return false
    return true
  }
}

/** What is known of one arm. */
interface Stakes {
  readonly weight: number
  count: number
  successes: number
  /** The logarithms of its stakes, by the arm that each is against; none before the first bet. */
  readonly against: Map<Stakes, number>
}

function bet(shown: Stakes, other: Stakes, isSuccess: boolean): void {
  const [rate, otherRate] = [rateOf(shown), rateOf(other)]
  if (rate === otherRate) return
  const share = shown.weight / (shown.weight + other.weight)
  const [likely, otherLikely] = isSuccess ? [rate, otherRate] : [1 - rate, 1 - otherRate]
  const growth = Math.log(likely / (share * likely + (1 - share) * otherLikely))
  const [better, worse] = rate > otherRate ? [shown, other] : [other, shown]
  better.against.set(worse, (better.against.get(worse) ?? 0) + growth)
}

/** From what was seen before. */
function rateOf({ count, successes }: Stakes): number {
  return (successes + 0.5) / (count + 1)
}
