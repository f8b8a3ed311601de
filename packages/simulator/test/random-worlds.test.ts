import { expect, it } from 'vitest'

import { runChaos } from '../src/chaos/chaos-world.ts'
import type { Violation } from '../src/index.ts'

/** The nightly size is a flag of `pnpm simulate`. */
const SEEDS = 12

it('no invariant is breached in random worlds', { timeout: 120_000 }, async () => {
  const violations: (Violation & { readonly seed: number })[] = []
  let calls = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = await runChaos(seed, 0.5)
    calls += world.tally.calls
    violations.push(...world.violations.map((violation) => ({ ...violation, seed })))
  }
  expect(violations).toEqual([])
  expect(calls).toBeGreaterThan(1_000)
})
