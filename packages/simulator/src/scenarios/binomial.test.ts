import { expect, it } from 'vitest'

import { binomialQuantile } from './binomial.ts'

it('quantiles of the binomial distribution', () => {
  // Four fair coins: 1/16, 5/16, 11/16, 15/16, 1.
  expect([0.05, 0.3, 0.5, 0.9, 0.99].map((share) => binomialQuantile(4, 0.5, share))).toEqual([0, 1, 2, 3, 4])
  // About Poisson with mean 1.25 and 80.
  expect(binomialQuantile(200_000, 0.05 ** 4, 0.999)).toBe(6)
  expect(binomialQuantile(50_000, 0.2 ** 4, 0.999)).toBe(109)
})
