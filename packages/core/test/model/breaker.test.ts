import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Breaker } from '../../src/backends/breaker.ts'
import type { BreakerOptions, Permit } from '../../src/backends/breaker.ts'
import { CLOSED, admits, failuresOf, nextProbe, transition } from './breaker-rules.ts'
import type { BreakerModel, BreakerStep } from './breaker-rules.ts'
import { PROVE } from './prove.ts'

/** What a breaker shows, and how often and what last it told. */
type Reading = readonly unknown[]

/** The real breaker, taken through the steps of the model. */
class RealBreaker {
  readonly #permits: Permit[] = []
  readonly #told: string[] = []
  readonly #breaker: Breaker

  constructor(options: BreakerOptions) {
    this.#breaker = new Breaker(options, 0, ({ state, failures, reason }) => {
      this.#told.push(`${state} ${failures} ${reason}`)
    })
  }

  take(step: BreakerStep): void {
    if (step.do === 'admit') this.#permits.push(this.#breaker.admit(step.atMs))
    else if (step.do === 'returned') this.#breaker.returned(step.atMs)
    else if (step.do === 'token') this.#permits[step.attempt]!.firstToken(step.atMs)
    else this.#permits[step.attempt]!.end(step.do, step.atMs, step.reason)
  }

  read(nowMs: number): Reading {
    const breaker = this.#breaker
    return [
      breaker.state,
      breaker.sinceMs,
      breaker.failures,
      breaker.admits(nowMs, false),
      breaker.admits(nowMs, true),
      breaker.nextProbeMs(false),
      breaker.nextProbeMs(true),
      this.#told.length,
      this.#told.at(-1),
    ]
  }
}

function expected({ model, nowMs }: Place, options: BreakerOptions): Reading {
  return [
    model.is,
    model.sinceMs,
    failuresOf(model),
    admits(model, options, false, nowMs),
    admits(model, options, true, nowMs),
    nextProbe(model, options, false),
    nextProbe(model, options, true),
    model.told.length,
    model.told.at(-1),
  ]
}

/** Where a walk stands. */
interface Place {
  readonly steps: readonly BreakerStep[]
  readonly nowMs: number
  readonly model: BreakerModel
  /** Attempts under way, those from before an opening included; `token` once the first one came. */
  readonly underWay: readonly { readonly attempt: number; readonly token: boolean }[]
}

const START: Place = { steps: [], nowMs: 0, model: CLOSED, underWay: [] }

function taken(place: Place, step: BreakerStep, options: BreakerOptions): Place {
  const model = transition(place.model, step, options)
  const { underWay } = place
  const steps = [...place.steps, step]
  if (step.do === 'returned') return { ...place, steps, model }
  if (step.do === 'admit') {
    return { ...place, steps, model, underWay: [...underWay, { attempt: place.model.admitted, token: false }] }
  }
  const others = underWay.filter(({ attempt }) => attempt !== step.attempt)
  const still = step.do === 'token' ? [...others, { attempt: step.attempt, token: true }] : others
  return { ...place, steps, model, underWay: still.toSorted((a, b) => a.attempt - b.attempt) }
}

/** All that can happen next, with so many attempts under way at the most. */
function nexts(place: Place, options: BreakerOptions, most: number): Place[] {
  const { nowMs, underWay, model } = place
  const all: Place[] = [1_000, 60_000].map((ms) => ({ ...place, nowMs: nowMs + ms }))
  all.push(taken(place, { do: 'returned', atMs: nowMs }, options))
  if (underWay.length < most && admits(model, options, true, nowMs)) {
    all.push(taken(place, { do: 'admit', atMs: nowMs }, options))
  }
  for (const { attempt, token } of underWay) {
    for (const what of ['success', 'failure', 'neutral', 'token'] as const) {
      if (what === 'token' && token) continue
      all.push(taken(place, { do: what, atMs: nowMs, attempt, reason: `reason ${place.steps.length}` }, options))
    }
  }
  return all
}

function compare(real: RealBreaker, place: Place, options: BreakerOptions): void {
  const found = real.read(place.nowMs)
  const wanted = expected(place, options)
  if (found.some((part, index) => part !== wanted[index])) {
    expect(found, JSON.stringify({ options, steps: place.steps, nowMs: place.nowMs })).toEqual(wanted)
  }
}

/** Takes every sequence of that many steps; each of their beginnings is compared once. Returns how many there were. */
function walk(place: Place, options: BreakerOptions, most: number, depth: number): number {
  const real = new RealBreaker(options)
  for (const step of place.steps) real.take(step)
  compare(real, place, options)
  if (depth === 0) return 1
  let sequences = 0
  for (const next of nexts(place, options, most)) sequences += walk(next, options, most, depth - 1)
  return sequences
}

/** So many failures in a row have been counted before the walk begins. */
function afterFailures(count: number, options: BreakerOptions): Place {
  let place = START
  for (let attempt = 0; attempt < count; attempt++) {
    place = taken(place, { do: 'admit', atMs: 0 }, options)
    place = taken(place, { do: 'failure', atMs: 0, attempt, reason: 'before' }, options)
  }
  return place
}

const OPTIONS: BreakerOptions = { threshold: 2, openMs: 60_000, earlyClose: true }

interface Walk {
  readonly threshold: number
  /** Failures in a row that are counted already. */
  readonly before: number
  /** Calls at a time. */
  readonly most: number
  readonly depth: number
  readonly earlyClose: boolean
  /** That the walk was as wide as it claims. */
  readonly sequences: number
}

const WALKS: readonly Walk[] = [
  { threshold: 2, before: 0, most: 3, depth: 8, earlyClose: true, sequences: 2_333_078 },
  ...(PROVE
    ? [
        { threshold: 1, before: 0, most: 3, depth: 8, earlyClose: true, sequences: 2_058_243 },
        { threshold: 5, before: 4, most: 3, depth: 8, earlyClose: true, sequences: 2_156_965 },
        { threshold: 2, before: 0, most: 3, depth: 8, earlyClose: false, sequences: 2_330_252 },
        { threshold: 2, before: 0, most: 2, depth: 9, earlyClose: true, sequences: 9_693_942 },
      ]
    : [
        { threshold: 1, before: 0, most: 3, depth: 7, earlyClose: true, sequences: 266_303 },
        { threshold: 5, before: 4, most: 3, depth: 7, earlyClose: true, sequences: 274_059 },
        { threshold: 2, before: 0, most: 3, depth: 7, earlyClose: false, sequences: 292_178 },
      ]),
]

describe('the breaker does what the rules say', () => {
  it.each(WALKS)(
    'in every sequence of $depth steps with $most calls at a time, opening after $threshold failures, $before before, early close $earlyClose',
    ({ threshold, earlyClose, before, most, depth, sequences }) => {
      const options = { ...OPTIONS, threshold, earlyClose }
      expect(walk(afterFailures(before, options), options, most, depth)).toBe(sequences)
    },
    300_000,
  )

  it.each([
    { threshold: 1, earlyClose: true },
    { threshold: 3, earlyClose: true },
    { threshold: 5, earlyClose: true },
    { threshold: 5, earlyClose: false },
  ])(
    'in long sequences: %j',
    (more) => {
      const options = { ...OPTIONS, ...more }
      const choice = fc.oneof(
        { weight: 2, arbitrary: fc.nat(1_000) },
        // Most choices are admissions and failures, or a threshold of 5 would hardly be reached.
        { weight: 3, arbitrary: fc.constantFrom<'admit' | 'failure'>('admit', 'failure') },
      )
      const run = fc.property(fc.array(choice, { minLength: 200, maxLength: 200 }), (choices) => {
        const real = new RealBreaker(options)
        let place = START
        for (const chosen of choices) {
          const all = nexts(place, options, 8)
          const wished = all.filter(({ steps }) => steps.length > place.steps.length && steps.at(-1)!.do === chosen)
          const next = typeof chosen === 'number' ? all[chosen % all.length]! : (wished.at(-1) ?? all[0]!)
          if (next.steps.length > place.steps.length) real.take(next.steps.at(-1)!)
          place = next
          compare(real, place, options)
        }
      })
      fc.assert(run, { numRuns: PROVE ? 25_000 : 250, seed: 1 })
    },
    900_000,
  )
})
