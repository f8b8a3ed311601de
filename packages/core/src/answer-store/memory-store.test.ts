import fc from 'fast-check'
import { expect, it } from 'vitest'

import { MemoryStore } from './memory-store.ts'

const entryOf = (written: string) => ({ written, writtenAtMs: 0, digest: undefined })

it('never holds more than it may, whatever comes in', () => {
  const entries = fc.array(fc.tuple(fc.string({ maxLength: 50 }), fc.string({ maxLength: 2_000, unit: 'grapheme' })))
  fc.assert(
    fc.property(entries, (given) => {
      const store = new MemoryStore(10_000)
      for (const [key, written] of given) {
        store.set(key, entryOf(written))
        expect(store.bytes).toBeLessThanOrEqual(10_000)
        expect(store.get(key)?.written ?? written).toBe(written)
      }
    }),
    { numRuns: 200, seed: 1 },
  )
})

it('gives up what was not used for the longest time', () => {
  const store = new MemoryStore(4_000)
  for (const key of ['a', 'b', 'c']) store.set(key, entryOf('x'.repeat(100)))
  store.get('a')
  for (let more = 0; more < 10; more++) store.set(`more ${more}`, entryOf('x'.repeat(100)))
  expect(['a', 'b', 'c'].map((key) => store.get(key) !== undefined)).toEqual([true, false, false])
})

it('keeps nothing that takes more than an eighth of it, nor what was there before it', () => {
  const store = new MemoryStore(8_000)
  store.set('a', entryOf('short'))
  store.set('a', entryOf('x'.repeat(1_000)))
  expect([store.size, store.bytes]).toEqual([0, 0])
})

it('counts a text that is not plain at two bytes a character', () => {
  const [plain, other] = ['x', 'я'].map((character) => {
    const store = new MemoryStore(100_000)
    store.set('a', entryOf(character.repeat(1_000)))
    return store.bytes
  })
  expect(other! - plain!).toBe(1_000)
})
