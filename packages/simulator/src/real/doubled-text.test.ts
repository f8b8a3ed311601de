import { describe, expect, it } from 'vitest'

import { isDoubledAt } from './doubled-text.ts'

const WHOLE = 'Water is a clear liquid that falls from the sky as rain and fills rivers, lakes and seas.'

describe('a text that was gone on from', () => {
  it('is fine where it goes on', () => {
    for (let at = 0; at <= WHOLE.length; at++) expect(isDoubledAt(WHOLE, at, WHOLE)).toBe(false)
  })

  it('is doubled where some of it comes again', () => {
    for (let at = 16; at < WHOLE.length; at++) {
      expect(isDoubledAt(WHOLE.slice(0, at) + WHOLE.slice(at - 16), at, WHOLE)).toBe(true)
    }
  })

  it('is doubled where it begins anew', () => {
    expect(isDoubledAt(WHOLE.slice(0, 60) + WHOLE, 60, WHOLE)).toBe(true)
  })

  it('is fine where the model itself repeats its words', () => {
    const song = 'row row row your boat gently down the stream '.repeat(4)
    for (let at = 0; at <= song.length; at++) expect(isDoubledAt(song, at, song)).toBe(false)
  })
})
