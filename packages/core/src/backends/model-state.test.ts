import { SurefootError } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { ModelStates } from './model-state.ts'

const error = new SurefootError({ code: 'MODEL_FAILED', message: 'cannot run it' })

describe('where a model is', () => {
  it('is unknown until something was seen', () => {
    expect(new ModelStates().residency('x', 0)).toBe('unknown')
  })

  it('after a token it is in memory, for a little less than the 5 minutes of Ollama', () => {
    const models = new ModelStates()
    models.produced('x', 1_000)
    expect(models.residency('x', 270_999)).toBe('in-memory')
    expect(models.residency('x', 271_000)).toBe('unknown')
    expect(models.residency('y', 1_000)).toBe('unknown')
  })

  it.each(['in-memory', 'loading', 'absent', 'unknown'] as const)('what /api/ps said holds for 30 s: %s', (is) => {
    const models = new ModelStates()
    models.observed('x', is, 0)
    expect(models.residency('x', 29_999)).toBe(is)
    expect(models.residency('x', 30_000)).toBe('unknown')
  })

  it('what was seen last counts', () => {
    const models = new ModelStates()
    models.produced('x', 0)
    models.observed('x', 'absent', 10)
    expect(models.residency('x', 20)).toBe('absent')
    models.produced('x', 30)
    expect(models.residency('x', 40)).toBe('in-memory')
  })
})

describe('a model that a backend cannot run', () => {
  it('is not sent there for that long, when there is another backend', () => {
    const models = new ModelStates()
    models.avoid('x', error, 0, 600_000)
    expect(models.avoided('x', 599_999, false)).toEqual({ error, untilMs: 600_000 })
    expect(models.avoided('x', 600_000, false)).toBeUndefined()
    expect(models.avoided('y', 0, false)).toBeUndefined()
  })

  it('the last backend is tried again after 1, 2, 4 … 60 s', () => {
    const models = new ModelStates()
    let nowMs = 0
    const waits = Array.from({ length: 8 }, () => {
      models.avoid('x', error, nowMs, 600_000)
      const { untilMs } = models.avoided('x', nowMs, true)!
      const waitMs = untilMs - nowMs
      nowMs = untilMs
      expect(models.avoided('x', nowMs, true)).toBeUndefined()
      return waitMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  })

  it('but never later than it would be anyway', () => {
    const models = new ModelStates()
    for (let count = 0; count < 5; count++) models.avoid('x', error, 0, 4_000)
    expect(models.avoided('x', 0, true)).toEqual({ error, untilMs: 4_000 })
  })

  it('is forgiven by a token, and when it was seen in the list', () => {
    const models = new ModelStates()
    models.avoid('x', error, 0, 600_000)
    models.produced('x', 1)
    expect(models.avoided('x', 2, false)).toBeUndefined()
    models.avoid('x', error, 3, 600_000)
    models.forgive('x')
    expect(models.avoided('x', 4, false)).toBeUndefined()
  })

  it('names that callers make up do not fill the memory', () => {
    const models = new ModelStates()
    for (let index = 0; index < 10_000; index++) models.avoid(`model-${index}`, error, 0, 600_000)
    expect(models.avoided('model-0', 1, false)).toBeUndefined()
    expect(models.avoided('model-9999', 1, false)).toBeDefined()
  })
})
