import type { Estimate } from '@surefoot/protocol'

/** Of a normal distribution 95 % lie within so many standard deviations. */
const Z = 1.959964
/** The same for Student's t distribution, by degrees of freedom from 1. */
const T = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622]

/**
 * A share with its 95 % confidence interval by Wilson's score, which holds for few observations and for shares near 0 and 1
 * as well (Wilson 1927; recommended by Brown, Cai and DasGupta, Statistical Science 16, 2001).
 *
 * @returns `undefined` where nothing was observed.
 */
export function shareOf(successes: number, count: number): Estimate | undefined {
  if (count === 0) return undefined
  const value = successes / count
  const shrunk = 1 + Z ** 2 / count
  const middle = (value + Z ** 2 / (2 * count)) / shrunk
  const half = (Z / shrunk) * Math.sqrt((value * (1 - value)) / count + Z ** 2 / (4 * count ** 2))
  // Rounding must not leave the value itself outside.
  return {
    value,
    low: Math.max(0, Math.min(value, middle - half)),
    high: Math.min(1, Math.max(value, middle + half)),
    count,
  }
}

/**
 * The mean of numbers that come one by one, with its 95 % confidence interval by Student's t. The sums are Welford's
 * (Technometrics 4, 1962), which keep their digits however many there are.
 */
export class MeanOf {
  #count = 0
  #mean = 0
  #squares = 0

  add(value: number): void {
    this.#count++
    const before = value - this.#mean
    this.#mean += before / this.#count
    this.#squares += before * (value - this.#mean)
  }

  /** `undefined` for fewer than two: of one alone nothing is known of how they scatter. */
  estimate(): Estimate | undefined {
    if (this.#count < 2) return undefined
    const half = studentT(this.#count - 1) * Math.sqrt(this.#squares / (this.#count - 1) / this.#count)
    return { value: this.#mean, low: this.#mean - half, high: this.#mean + half, count: this.#count }
  }
}

/**
 * The geometric mean of times, with the interval of the mean of their logarithms. Times to the first token scatter over
 * powers of ten, and their logarithms about evenly to both sides: one that hung for a minute does not decide.
 */
export class TypicalTimeOf {
  readonly #logs = new MeanOf()

  /** @param ms below one millisecond it counts as one. */
  add(ms: number): void {
    this.#logs.add(Math.log(Math.max(ms, 1)))
  }

  /** In milliseconds; `undefined` for fewer than two. */
  estimate(): Estimate | undefined {
    const logs = this.#logs.estimate()
    if (logs === undefined) return undefined
    return { value: Math.exp(logs.value), low: Math.exp(logs.low), high: Math.exp(logs.high), count: logs.count }
  }
}

/** From ten degrees on by the expansion of Cornish and Fisher, which is then right to four digits. */
function studentT(degrees: number): number {
  const listed = T[degrees - 1]
  if (listed !== undefined) return listed
  const first = (Z ** 3 + Z) / 4
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / 96
  const third = (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / 384
  return Z + first / degrees + second / degrees ** 2 + third / degrees ** 3
}
