import fc from 'fast-check'
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

  it('has another look at what had to be kept when nothing else is left', () => {
    const map = new BoundedMap<string, { busy: boolean }>(2, ({ busy }) => !busy)
    const first = { busy: true }
    map.set('a', first).set('b', { busy: true }).set('c', { busy: true })
    expect([...map.keys()]).toEqual(['a', 'b', 'c'])
    first.busy = false
    map.set('d', { busy: true })
    expect([...map.keys()]).toEqual(['b', 'c', 'd'])
  })

  it('forgets the oldest in any order of new and known names', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { maxLength: 200 }), (keys) => {
        const map = new BoundedMap<number, boolean>(5)
        for (const key of keys) map.set(key, true)
        expect([...map.keys()]).toEqual([...new Set(keys.toReversed())].slice(0, 5).toReversed())
      }),
    )
  })

  it('is as quick when it is full', () => {
    const map = new BoundedMap<number, boolean>(100_000)
    const timeOf = (from: number): number => {
      const before = process.cpuUsage().user
      for (let key = from; key < from + 100_000; key++) map.set(key, true)
      return process.cpuUsage().user - before
    }
    const filling = timeOf(0)
    // Walking over the places of what was forgotten took a hundred times as long.
    expect(timeOf(100_000)).toBeLessThan(30 * filling)
  })

  it('stays within its bound for any number of names', () => {
    const map = new BoundedMap<string, number>(1_000)
    for (let index = 0; index < 100_000; index++) map.set(`model-${index}`, index)
    expect(map.size).toBe(1_000)
    expect(map.get('model-99999')).toBe(99_999)
  })
})
