import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { MeanOf, TypicalTimeOf, shareOf } from './estimates.ts'

const meanOf = (values: readonly number[]) => {
  const mean = new MeanOf()
  for (const value of values) mean.add(value)
  return mean.estimate()
}

describe('a share', () => {
  it('has the interval that Wilson gives', () => {
    // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    const rounded = (successes: number, count: number): number[] => {
      const { low, high } = shareOf(successes, count)!
      return [low, high].map((value) => Math.round(value * 1e4) / 1e4)
    }
    expect(rounded(81, 263)).toEqual([0.2553, 0.3662])
    expect(rounded(15, 148)).toEqual([0.0624, 0.1605])
    expect(rounded(0, 20)).toEqual([0, 0.1611])
    expect(rounded(1, 29)).toEqual([0.0061, 0.1718])
  })

  it('is not there before anything was observed, and holds its value when all are the same', () => {
    expect(shareOf(0, 0)).toBeUndefined()
    expect(shareOf(7, 7)).toMatchObject({ value: 1, high: 1, count: 7 })
  })
})

describe('a mean', () => {
  it("has Student's interval", () => {
    // Mean 3, s² = 2.5, t(4) = 2.7764: 2.7764 × √(2.5 / 5).
    const { value, low, high, count } = meanOf([1, 2, 3, 4, 5])!
    expect({ value, count }).toEqual({ value: 3, count: 5 })
    expect(high - 3).toBeCloseTo(1.9632, 3)
    expect(3 - low).toBeCloseTo(1.9632, 3)
  })

  it('goes on from the listed quantiles of t without a step', () => {
    // 0, 1, 0, 1 …: t(9) = 2.2622, t(10) = 2.2281, t(29) = 2.0452.
    const quantile = (count: number): number => {
      const values = Array.from({ length: count }, (_, index) => index % 2)
      const { value, high } = meanOf(values)!
      const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (count - 1)
      return (high - value) / Math.sqrt(variance / count)
    }
    expect([10, 11, 30].map((count) => Math.round(quantile(count) * 1e3) / 1e3)).toEqual([2.262, 2.228, 2.045])
  })

  it('says nothing of how one alone scatters', () => {
    expect(meanOf([])).toBeUndefined()
    expect(meanOf([5])).toBeUndefined()
  })

  it('keeps its digits far from zero', () => {
    expect(meanOf([1e9 + 1, 1e9 + 2, 1e9 + 3])!.value).toBe(1e9 + 2)
  })
})

describe('a typical time', () => {
  it('is not decided by the one that hung', () => {
    const times = new TypicalTimeOf()
    for (const ms of [100, 100, 100, 100, 60_000]) times.add(ms)
    expect(times.estimate()!.value).toBeCloseTo(100 * 600 ** 0.2, 6)
  })

  it('counts what took no time as a millisecond', () => {
    const times = new TypicalTimeOf()
    times.add(0)
    times.add(0)
    expect(times.estimate()).toEqual({ value: 1, low: 1, high: 1, count: 2 })
  })
})

it('95 of 100 intervals hold what is true', () => {
  const { random } = createVirtualTime({ seed: 7 })
  const rounds = 2_000
  let [shares, means] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const mean = new MeanOf()
    let good = 0
    for (let index = 0; index < 50; index++) {
      if (random.next() < 0.8) good++
      // Exponential, of mean 1: skewed, as lengths of answers are.
      mean.add(-Math.log(1 - random.next()))
    }
    const share = shareOf(good, 50)!
    const length = mean.estimate()!
    if (share.low <= 0.8 && share.high >= 0.8) shares++
    if (length.low <= 1 && length.high >= 1) means++
  }
  expect(shares / rounds).toBeGreaterThan(0.93)
  // Of so few skewed numbers the t interval holds a little less often.
  expect(means / rounds).toBeGreaterThan(0.91)
})
