import { SurefootError } from '@surefoot/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../../config/read-config.ts'
import type { Verdict } from '../../outcome/verdict.ts'
import { RetryLadder } from './decide.ts'
import type { RetryOptions, Situation } from './decide.ts'

const error = new SurefootError({ code: 'BACKEND_FAILED', message: 'failed' })
const COSTLY: Verdict = { class: 'node', error, cheap: false, retry: 'anywhere', prompt: true }
const CHEAP: Verdict = { ...COSTLY, cheap: true }
const BUSY: Verdict = { ...COSTLY, class: 'overload', cheap: true, prompt: false }
const MISTAKE: Verdict = { ...COSTLY, class: 'client', retry: 'never' }
const MISSING: Verdict = { ...COSTLY, class: 'missing', cheap: true, retry: 'elsewhere' }

const ALONE: Situation = { hasOther: false, restMs: 0, leftMs: 900_000, random: 0.5 }

const DEFAULT = readConfig({ jitter: 0 })
const GUIDE = readConfig({ preset: 'guide' })

/** The waits of one call whose attempts all end like this, until it gives up or `most` are told. */
function waits(options: RetryOptions, verdict: Verdict, situation: Partial<Situation> = {}, most = 12): number[] {
  const ladder = new RetryLadder(options)
  const waitsMs: number[] = []
  while (waitsMs.length < most) {
    const decision = ladder.decide(verdict, { ...ALONE, ...situation })
    if (!decision.retry) break
    waitsMs.push(decision.waitMs)
  }
  return waitsMs
}

describe('the ladder', () => {
  it('guide: exactly 3 retries after 1, 2 and 4 s, whatever the failures cost', () => {
    expect(waits(GUIDE, COSTLY)).toEqual([1_000, 2_000, 4_000])
    expect(waits(GUIDE, CHEAP)).toEqual([1_000, 2_000, 4_000])
    expect(waits(GUIDE, BUSY)).toEqual([1_000, 2_000, 4_000])
    expect(waits(GUIDE, COSTLY, { hasOther: true })).toEqual([1_000, 2_000, 4_000])
  })

  it('costly failures: maxRetries of them, the first at once, then 1 and 2 s', () => {
    expect(waits(DEFAULT, COSTLY)).toEqual([0, 1_000, 2_000])
  })

  it('production: 5 retries', () => {
    const production = readConfig({ preset: 'production', jitter: 0 })
    expect(waits(production, COSTLY)).toEqual([0, 1_000, 2_000, 4_000, 8_000])
    expect(waits({ ...production, promptRetry: false }, COSTLY)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
  })

  it('cheap failures are tried on, after 1, 2, 4, 4 … s', () => {
    expect(waits(DEFAULT, CHEAP, {}, 8)).toEqual([0, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000])
  })

  it('cheap failures do not use up what the costly ones may', () => {
    const ladder = new RetryLadder(DEFAULT)
    for (let count = 0; count < 50; count++)
      expect(ladder.decide(CHEAP, ALONE)).toMatchObject({ retry: true, costly: false })
    for (let count = 0; count < 3; count++)
      expect(ladder.decide(COSTLY, ALONE)).toMatchObject({ retry: true, costly: true })
    expect(ladder.decide(COSTLY, ALONE)).toEqual({ retry: false })
  })

  it('maxRetries 0 means none', () => {
    expect(waits({ ...DEFAULT, maxRetries: 0 }, COSTLY)).toEqual([])
    expect(waits({ ...GUIDE, maxRetries: 0 }, CHEAP)).toEqual([])
  })

  it('no wait is longer than maxRetryDelayMs, with jitter neither', () => {
    const options = { ...GUIDE, maxRetries: 20, jitter: 1 }
    expect(Math.max(...waits(options, COSTLY, { random: 0.999_999 }, 20))).toBe(30_000)
  })

  it('jitter strays up and down by its ratio', () => {
    const options = { ...GUIDE, jitter: 0.2 }
    expect(waits(options, COSTLY, { random: 0 })).toEqual([800, 1_600, 3_200])
    expect(waits(options, COSTLY, { random: 0.5 })).toEqual([1_000, 2_000, 4_000])
    expect(waits(options, COSTLY, { random: 1 })).toEqual([1_200, 2_400, 4_800])
  })
})

describe('the first retry', () => {
  it('does not go at once to the backend that said it is busy', () => {
    expect(waits(DEFAULT, BUSY, {}, 3)).toEqual([1_000, 2_000, 4_000])
  })

  it('goes at once elsewhere, also after busy or a Retry-After', () => {
    expect(waits(DEFAULT, { ...BUSY, sameAfterMs: 7_000 }, { hasOther: true, restMs: 0 }, 2)).toEqual([0, 1_000])
  })

  it('waits as long as every backend asked for', () => {
    expect(waits(DEFAULT, { ...BUSY, sameAfterMs: 7_000 }, { restMs: 7_000 }, 3)).toEqual([7_000, 7_000, 7_000])
    expect(waits(DEFAULT, { ...BUSY, sameAfterMs: 7_000 }, { hasOther: true, restMs: 5_000 }, 1)).toEqual([5_000])
  })

  it('never before the ladder when the Retry-After is shorter', () => {
    expect(waits(DEFAULT, { ...BUSY, sameAfterMs: 500 }, { restMs: 500 }, 3)).toEqual([1_000, 2_000, 4_000])
  })
})

describe('what is not tried again', () => {
  it("the caller's mistake", () => {
    expect(waits(DEFAULT, MISTAKE, { hasOther: true })).toEqual([])
    expect(waits(GUIDE, MISTAKE, { hasOther: true })).toEqual([])
  })

  it('what only another backend could do, when there is none', () => {
    expect(waits(DEFAULT, { ...COSTLY, retry: 'elsewhere' })).toEqual([])
    expect(waits(DEFAULT, { ...COSTLY, retry: 'elsewhere' }, { hasOther: true })).toHaveLength(3)
  })

  it('a model that this backend lacks, when no other may have it; else it is no failed try', () => {
    expect(waits(DEFAULT, MISSING)).toEqual([])
    expect(waits(GUIDE, MISSING, { hasOther: true }, 10)).toEqual(Array.from({ length: 10 }, () => 0))
  })

  it('what could not begin before the deadline', () => {
    expect(waits(GUIDE, COSTLY, { leftMs: 1_000 })).toEqual([])
    expect(waits(GUIDE, COSTLY, { leftMs: 1_001 })).toEqual([1_000])
    expect(waits(DEFAULT, BUSY, { restMs: 30_000, leftMs: 20_000 })).toEqual([])
    expect(waits(DEFAULT, CHEAP, { leftMs: 0 })).toEqual([])
  })

  it('never, in whatever order things happen: a wait past the deadline, a negative one, too many costly ones', () => {
    const situation = fc.record({
      verdict: fc.constantFrom(COSTLY, CHEAP, BUSY, MISTAKE, MISSING),
      hasOther: fc.boolean(),
      restMs: fc.nat(30_000),
      leftMs: fc.nat(60_000),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    const options = fc.record({ jitter: fc.constantFrom(0, 0.2, 1), maxRetries: fc.nat(5), promptRetry: fc.boolean() })
    fc.assert(
      fc.property(options, fc.array(situation, { maxLength: 30 }), (more, steps) => {
        const ladder = new RetryLadder({ ...DEFAULT, ...more })
        let costly = 0
        for (const { verdict, ...rest } of steps) {
          const decision = ladder.decide(verdict, rest)
          if (!decision.retry) continue
          expect(decision.waitMs).toBeGreaterThanOrEqual(rest.restMs)
          expect(decision.waitMs).toBeLessThan(rest.leftMs)
          if (decision.costly) costly++
        }
        expect(costly).toBeLessThanOrEqual(more.maxRetries)
      }),
      { numRuns: 500, seed: 1 },
    )
  })
})
