import { describe, expect, it } from 'vitest'

import { rungFor } from './rungs.ts'

describe('the rung for a prompt', () => {
  it.each<[tokens: number, room: number, ceiling: number, rung: number | undefined]>([
    [100, 512, 131_072, 4_096],
    [3_584, 512, 131_072, 4_096],
    [3_585, 512, 131_072, 8_192],
    [40_000, 512, 131_072, 65_536],
    // The last one is what the model takes, or what may be chosen, round or not.
    [9_000, 512, 10_000, 10_000],
    [100, 512, 512, 512],
    // It holds the prompt, if not the whole answer.
    [9_990, 512, 10_000, 10_000],
    [10_000, 512, 10_000, undefined],
    [1, 512, 0, undefined],
    [5_000, 512, Number.POSITIVE_INFINITY, 8_192],
  ])('of %i tokens, with room for %i, at most %i: %s', (tokens, room, ceiling, rung) => {
    expect(rungFor(tokens, room, ceiling)).toBe(rung)
  })
})
