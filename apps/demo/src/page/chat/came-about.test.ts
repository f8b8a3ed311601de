import { describe, expect, it } from 'vitest'

import { cameAbout, type Asked } from './came-about.ts'
import { newTurn, type Turn } from './turn.ts'

const STAND_IN: Asked = { origin: 'stand-in', model: 'llama3.2' }

function turn(more: Partial<Turn>): Turn {
  const asked = newTurn({ id: 1, classNumber: 3, question: 'Hi', askedAtMs: 0, remembered: 0 })
  return { ...asked, state: 'whole', text: 'Hello', ...more }
}

describe('how an answer came about', () => {
  it('needs no more than one word where the model answered', () => {
    expect(cameAbout(turn({ served: 'model' }), STAND_IN)).toEqual({ kind: 'stand-in', mark: '●', label: 'stand-in' })
    const real: Asked = { origin: 'model', model: 'llama3.2' }
    expect(cameAbout(turn({ served: 'model' }), real)).toMatchObject({ kind: 'model', label: 'model' })
  })

  it('says of a remembered answer how old it is', () => {
    expect(cameAbout(turn({ served: 'cache', ageMs: 12_000 }), STAND_IN)).toMatchObject({
      kind: 'cache',
      label: 'from the cache, 12 s old',
      stamp: 'remembered answer',
      says: 'The same question was answered 12 s ago, and this is that answer: no model had to write it again.',
    })
    expect(cameAbout(turn({ served: 'cache' }), STAND_IN).label).toBe('from the cache')
  })

  it('says of an older answer why it is given again', () => {
    const older = turn({ served: 'cache', ageMs: 7_200_000, reason: 'BREAKER_OPEN' })
    expect(cameAbout(older, STAND_IN)).toMatchObject({
      label: 'from the cache, 2 h old',
      stamp: 'older answer',
      says: 'llama3.2 failed several times and is left alone for a while, so this is the answer of 2 h ago to the same question.',
    })
  })

  it('says which other model answered, and why', () => {
    const other = turn({ served: 'degraded', model: 'llama3.2:1b', reason: 'MODEL_FAILED' })
    expect(cameAbout(other, STAND_IN)).toMatchObject({
      label: 'another model, llama3.2:1b',
      stamp: 'answer of another model',
      says: 'llama3.2 cannot run now (not enough memory, for example), so llama3.2:1b answered in its place.',
    })
    const unknown = turn({ served: 'degraded', model: 'llama3.2:1b', reason: 'NEW_CODE' })
    expect(cameAbout(unknown, STAND_IN).says).toMatch(/^llama3\.2 cannot answer now, so/)
  })

  it('tells four ways and three endings apart by sign and word', () => {
    const all = [
      turn({ served: 'model' }),
      turn({ served: 'cache' }),
      turn({ served: 'degraded' }),
      turn({ served: 'fallback' }),
      turn({ state: 'broken' }),
      turn({ state: 'failed' }),
      turn({ state: 'stopped' }),
    ].map((one) => cameAbout(one, STAND_IN))
    expect(new Set(all.map(({ label }) => label)).size).toBe(7)
    expect(new Set(all.slice(0, 4).map(({ mark }) => mark)).size).toBe(4)
  })
})
