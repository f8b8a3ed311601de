import { armAt } from '../../src/layers/experiment/place-of.ts'
import { SequentialTest } from '../../src/layers/experiment/sequential-test.ts'

/** Experiments of one kind. */
export interface SimulatedCase {
  readonly name: string
  /** How often each arm succeeds. */
  readonly rates: readonly number[]
  readonly weights: readonly number[]
  /** How many further sessions have begun before the outcome of one is known. @default 0 */
  readonly later?: readonly number[]
  /** Share of the sessions whose outcome is ever known: callers leave, and not everybody judges. @default 1 */
  readonly known?: readonly number[]
}

/** What came of many experiments of one kind, each looked at after every session. */
export interface SimulatedResult {
  readonly name: string
  readonly experiments: number
  /** Those in which an arm was declared the winner that is not better than all others. */
  readonly falseWinners: number
  /** Those in which the best arm was. */
  readonly found: number
  /** Sessions until half of the experiments had found it; absent where fewer did. */
  readonly medianSessions: number | undefined
}

/** The base of issue 5: half of the answers are good. */
const BASE = 0.5
const EVEN = [1, 1]

/** The differences that are demanded, and what may make the test go wrong: three arms, and weights that are far apart. */
export const CASES: readonly SimulatedCase[] = [
  { name: 'equal', rates: [BASE, BASE], weights: EVEN },
  { name: '5 % better', rates: [BASE, BASE * 1.05], weights: EVEN },
  { name: '20 % better', rates: [BASE, BASE * 1.2], weights: EVEN },
  { name: 'equal, weights 0.9 and 0.1', rates: [BASE, BASE], weights: [0.9, 0.1] },
  { name: '20 % better, weights 0.9 and 0.1', rates: [BASE, BASE * 1.2], weights: [0.9, 0.1] },
  { name: 'three equal', rates: [BASE, BASE, BASE], weights: [1, 1, 1] },
  { name: 'three equal, weights 0.8, 0.1 and 0.1', rates: [BASE, BASE, BASE], weights: [0.8, 0.1, 0.1] },
  { name: 'two of three equally good', rates: [BASE, BASE * 1.2, BASE * 1.2], weights: [1, 1, 1] },
  { name: 'equal at 95 %', rates: [0.95, 0.95], weights: EVEN },
  { name: 'equal at 95 %, one slower by 100 sessions', rates: [0.95, 0.95], weights: EVEN, later: [0, 100] },
  { name: 'equal at 80 %, judged by 3 and by 1 of 10', rates: [0.8, 0.8], weights: EVEN, known: [0.3, 0.1] },
]

/** Plays experiments of so many sessions, with random numbers of their own. */
export function simulate(
  { name, rates, weights, later = [], known = [] }: SimulatedCase,
  experiments: number,
  sessions: number,
  seed: number,
): SimulatedResult {
  const random = createRandom(seed)
  const best = Math.max(...rates)
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  const isBest = rates.map((rate) => rate === best && rates.filter((other) => other === best).length === 1)
  const foundAfter: number[] = []
  let falseWinners = 0
  for (let experiment = 0; experiment < experiments; experiment++) {
    const test = new SequentialTest(weights)
    const underway = rates.map((): boolean[] => [])
    for (let session = 0; session < sessions && test.winner === undefined; session++) {
      const arm = armAt(random(), weights)
      const outcomes = underway[arm]!
      const isSuccess = random() < rates[arm]!
      if (known[arm] !== undefined && random() >= known[arm]) continue
      outcomes.push(isSuccess)
      if (outcomes.length > (later[arm] ?? 0) * (weights[arm]! / all)) test.observe(arm, outcomes.shift()!)
    }
    if (test.winner === undefined) continue
    if (isBest[test.winner] === true) foundAfter.push(test.observed)
    else falseWinners++
  }
  const half = foundAfter.toSorted((a, b) => a - b)[Math.ceil(experiments / 2) - 1]
  return { name, experiments, falseWinners, found: foundAfter.length, medianSessions: half }
}

/** sfc32 of PractRand, seeded: the same numbers on every machine, and fast. */
function createRandom(seed: number): () => number {
  let [a, b, c, d] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 20; round++) next()
  return next
}
