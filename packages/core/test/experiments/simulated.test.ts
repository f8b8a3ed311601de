import { describe, expect, it } from 'vitest'

import { CASES, simulate } from './simulated.ts'

/** A tenth of the full size, which `pnpm prove --only experiments` runs. */
const EXPERIMENTS = 200
const SESSIONS = 10_000
const MOST_FALSE = 0.05
/** So many of these few may be false by chance where 5 % are in the long run: three standard errors more. */
const MOST_FALSE_HERE = MOST_FALSE + 3 * Math.sqrt((MOST_FALSE * (1 - MOST_FALSE)) / EXPERIMENTS)

describe('looked at after every session', () => {
  for (const simulated of CASES) {
    it(`${simulated.name}: no more false winners than 5 % make`, () => {
      const { falseWinners, found } = simulate(simulated, EXPERIMENTS, SESSIONS, 1)
      expect(falseWinners / EXPERIMENTS).toBeLessThanOrEqual(MOST_FALSE_HERE)
      if (simulated.name.startsWith('20 %')) expect(found / EXPERIMENTS).toBeGreaterThanOrEqual(0.9)
    })
  }
})
