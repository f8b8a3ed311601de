import { describe, expect, it } from 'vitest'

import { BoundedMap } from './bounded-map.ts'

describe('a map with a bound', () => {
  it('forgets what was set the longest ago', () => {
    const map = new BoundedMap<string, number>(3)
    for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) map.set(key, index)
    expect([...map.keys()]).toEqual(['b', 'c', 'd'])
  })

  it('what is set again counts as new', () => {
    const map = new BoundedMap<string, number>(3)
    for (const key of ['a', 'b', 'c', 'a', 'd']) map.set(key, 0)
    expect([...map.keys()]).toEqual(['c', 'a', 'd'])
  })

  it('keeps what must be kept, and the newest in any case', () => {
    const map = new BoundedMap<string, { busy: boolean }>(2, ({ busy }) => !busy)
    map.set('a', { busy: true }).set('b', { busy: true }).set('c', { busy: false })
    expect([...map.keys()]).toEqual(['a', 'b', 'c'])
    map.set('d', { busy: false })
    expect([...map.keys()]).toEqual(['a', 'b', 'd'])
  })

  it('stays within its bound for any number of names', () => {
    const map = new BoundedMap<string, number>(1_000)
    for (let index = 0; index < 100_000; index++) map.set(`model-${index}`, index)
    expect(map.size).toBe(1_000)
    expect(map.get('model-99999')).toBe(99_999)
  })
})
