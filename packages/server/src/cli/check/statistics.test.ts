import { expect, test } from 'vitest'

import { statisticsOf } from './statistics.ts'

test('average, extremes and the deviation of the sample', () => {
  expect(statisticsOf([1_000, 2_000, 3_000])).toEqual({
    averageMs: 2_000,
    minMs: 1_000,
    maxMs: 3_000,
    deviationMs: 1_000,
  })
})

test('one time has no deviation, none has nothing', () => {
  expect(statisticsOf([500])).toEqual({ averageMs: 500, minMs: 500, maxMs: 500, deviationMs: 0 })
  expect(statisticsOf([])).toBeUndefined()
})
