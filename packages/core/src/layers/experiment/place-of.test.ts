import { describe, expect, it } from 'vitest'

import { armAt, placeOf } from './place-of.ts'

const KEYS = Array.from({ length: 20_000 }, (_, index) => `user-${index}`)

/** How many keys each arm gets. */
function counts(experiment: string, weights: readonly number[]): number[] {
  const counted = weights.map(() => 0)
  for (const key of KEYS) counted[armAt(placeOf(experiment, key).at, weights)]!++
  return counted
}

describe('the place of a key', () => {
  it('is always the same', () => {
    // Written down: another process, and the next version, must come to the same.
    expect(placeOf('tone', 'user-1').at).toBeCloseTo(0.888_819_570_116_659_5, 12)
    for (const key of KEYS.slice(0, 100)) expect(placeOf('tone', key)).toEqual(placeOf('tone', key))
  })

  it('gives each arm as many keys as its weight says, within 4 standard errors', () => {
    for (const weights of [[1, 1], [0.9, 0.1], [5, 3, 2], [1, 999], Array.from({ length: 10 }, () => 1)]) {
      const all = weights.reduce((sum, weight) => sum + weight, 0)
      for (const [arm, count] of counts('tone', weights).entries()) {
        const share = weights[arm]! / all
        const error = Math.sqrt(KEYS.length * share * (1 - share))
        expect(Math.abs(count - KEYS.length * share)).toBeLessThan(4 * error)
      }
    }
  })

  it('says nothing of the place in another experiment', () => {
    const both = KEYS.filter((key) => placeOf('tone', key).at < 0.5 && placeOf('size', key).at < 0.5).length
    const error = Math.sqrt(KEYS.length * 0.25 * 0.75)
    expect(Math.abs(both - KEYS.length / 4)).toBeLessThan(4 * error)
  })

  it('moves only the keys between the old and the new weights when they change', () => {
    for (const key of KEYS) {
      const { at } = placeOf('tone', key)
      if (at < 0.8 || at >= 0.9) expect(armAt(at, [0.9, 0.1])).toBe(armAt(at, [0.8, 0.2]))
    }
  })

  it('ends within the last arm, whatever rounding makes of the weights', () => {
    expect(armAt(1 - 2 ** -48, [0.1, 0.2, 0.3, 0.1])).toBe(3)
  })
})
