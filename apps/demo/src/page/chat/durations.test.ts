import { expect, it } from 'vitest'

import { duration, seconds } from './durations.ts'

it('tells how long something lasted in one unit', () => {
  const minute = 60_000
  expect([400, 90_000, 5 * minute, 130 * minute, 72 * 60 * minute].map(duration)).toEqual([
    'under 1 s',
    '90 s',
    '5 min',
    '2 h',
    '3 days',
  ])
})

it('tells times as people read them', () => {
  expect([seconds(12.4), seconds(999), seconds(1234)]).toEqual(['12 ms', '999 ms', '1.2 s'])
})
