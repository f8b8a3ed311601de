import { describe, expect, it } from 'vitest'

import { SCENARIOS } from '../src/scenarios/scenarios.ts'

/** What `pnpm prove` measures at full size, small enough for every test run; the name and the scale of each. */
const SMALL: Readonly<Record<string, number>> = {
  'mixed-5': 0.005,
  'mixed-10': 0.01,
  'mixed-20': 0.01,
  'guide-5': 0.005,
  'restart-every-minute': 0.02,
  'all-away': 0.02,
  'coin-flip': 0.02,
  stall: 0.04,
  'cold-model': 0.04,
  'black-hole': 0.02,
  wedged: 0.05,
  'one-hangs': 0.05,
  'tail-latency': 0.02,
}

describe('in small', () => {
  for (const [name, scale] of Object.entries(SMALL)) {
    it(`${name}: ${SCENARIOS[name]?.title}`, { timeout: 60_000 }, async () => {
      const { rows } = await SCENARIOS[name]!.run({ scale, seed: 1 })
      expect(rows.filter(({ holds }) => !holds)).toEqual([])
    })
  }
})
