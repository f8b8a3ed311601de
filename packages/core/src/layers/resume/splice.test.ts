import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Splice } from './splice.ts'

/** What a caller has in the end when the new text comes in those pieces; `undefined` when the model began anew. */
function splice(shown: string, pieces: readonly string[]): string | undefined {
  const half = shown.trimEnd()
  const seam = new Splice(half, shown.slice(half.length))
  let text = ''
  let found = undefined as ReturnType<Splice['push']> | undefined
  for (const piece of pieces) {
    text += piece
    if (found === undefined || found.kind === 'open') found = seam.push(piece)
  }
  if (found === undefined || found.kind === 'open') found = seam.end()
  if (found.kind === 'open') throw new Error('an ended seam is decided')
  return found.kind === 'restarted' ? undefined : shown + text.slice(found.chars)
}

const inPieces = (text: string, length: number): string[] => text.match(new RegExp(`[^]{1,${length}}`, 'g')) ?? []

const WATER =
  'The water cycle is a continuous process that involves evaporation, condensation, and precipitation, ' +
  'which ultimately returns to the Earth as rain or snow. It feeds the rivers, the lakes and the ground.'

describe('the seam between two segments', () => {
  it('an exact continuation stays as it is, wherever it was cut and however it comes', () => {
    for (let at = 1; at < WATER.length; at++) {
      // The cut lies before white space, which the backend writes again.
      const half = WATER.slice(0, at).trimEnd()
      for (const length of [1, 5, 400]) {
        expect(splice(half, inPieces(WATER.slice(half.length), length)), `cut at ${at}`).toBe(WATER)
      }
    }
  })

  it('white space that was shown already is not shown again', () => {
    for (let at = 1; at < WATER.length; at++) {
      const shown = WATER.slice(0, at)
      expect(splice(shown, inPieces(WATER.slice(shown.trimEnd().length), 3)), `cut at ${at}`).toBe(WATER)
    }
    expect(splice('One.\n\n', ['\n', '\n', '\nTwo.'])).toBe('One.\n\n\nTwo.')
    expect(splice('One.\n\n', [' ', 'Two.'])).toBe('One.\n\n Two.')
    expect(splice('One. ', ['Two.'])).toBe('One. Two.')
    expect(splice('One.\n\n', ['\n'])).toBe('One.\n\n')
  })

  it('words that are repeated are left out, from 16 characters on', () => {
    const half = WATER.slice(0, 120)
    for (let chars = 16; chars <= 100; chars++) {
      const repeated = half.slice(-chars) + WATER.slice(120)
      for (const length of [1, 7, 400]) expect(splice(half, inPieces(repeated, length)), `${chars}`).toBe(WATER)
    }
    expect(splice('It is what it is', [' what it is'])).toBe('It is what it is what it is')
  })

  it('repeated words and the white space after them are left out together', () => {
    expect(splice('A tale of two long cities.\n\n', ['of two long cities.', '\n\n', 'The end.'])).toBe(
      'A tale of two long cities.\n\nThe end.',
    )
  })

  it('a model that begins anew is found out at its 32nd character', () => {
    for (const length of [1, 5, 400]) expect(splice(WATER.slice(0, 90), inPieces(WATER, length))).toBeUndefined()
    const seam = new Splice(WATER.slice(0, 90), '')
    expect(seam.push(WATER.slice(0, 31))).toEqual({ kind: 'open' })
    expect(seam.push(WATER.slice(31, 32))).toEqual({ kind: 'restarted' })
  })

  it('a text that repeats itself anyway loses nothing after its first repetition', () => {
    const table = '| a | b |\n' + '|---|---|\n'.repeat(12) + '| 1 | 2 |'
    const line = '-'.repeat(120)
    const song = 'Row, row, row your boat, gently down the stream. '.repeat(4)
    const loop = 'and so on '.repeat(40)
    for (const text of [table, line, song, loop]) {
      // Before the first repetition nobody can know that there will be more.
      for (let at = 100; at < text.length; at++) {
        const half = text.slice(0, at).trimEnd()
        expect(splice(half, inPieces(text.slice(half.length), 4)), `${text.slice(0, 12)} cut at ${at}`).toBe(text)
      }
    }
  })

  it('is decided at the first word as a rule: nothing is held back for long', () => {
    let held = 0
    for (let at = 40; at < WATER.length - 30; at++) {
      const half = WATER.slice(0, at).trimEnd()
      const seam = new Splice(half, '')
      let chars = half.length
      while (seam.push(WATER.slice(chars, chars + 1)).kind === 'open') chars++
      held = Math.max(held, chars - half.length)
    }
    expect(held).toBeLessThan(16)
  })

  it('a line that is said again loses nothing from its fourth character on', () => {
    for (const line of ['Gently down the stream, ho.\n', 'ha ', 'x = x + 1\n']) {
      const text = `A song:\n${line.repeat(90 / line.length)}`
      for (let at = 'A song:\n'.length + line.length + 4; at < text.length; at++) {
        const half = text.slice(0, at).trimEnd()
        if (half.length < at) continue
        expect(splice(half, inPieces(text.slice(at), 3)), `cut at ${at}`).toBe(text)
      }
    }
  })

  it('is what a look at the whole texts at once says', () => {
    const alphabet = fc.constantFrom('a', 'b', ' ', '\n')
    const text = (maxLength: number): fc.Arbitrary<string> =>
      fc.array(alphabet, { maxLength }).map((chars) => chars.join(''))
    const words = fc.oneof(text(60), fc.constantFrom(WATER, WATER.slice(0, 100), 'and on and on and on '))
    fc.assert(
      fc.property(words, fc.nat(80), words, fc.integer({ min: 1, max: 9 }), (shown, back, more, length) => {
        const half = shown.trimEnd()
        const text = half.slice(Math.max(0, half.length - back)) + more
        expect(splice(shown, inPieces(text, length))).toBe(oracle(shown, text))
      }),
      { numRuns: 3_000, seed: 4 },
    )
  })
})

/** The rules read off one by one, without regard to cost. */
function oracle(shown: string, text: string): string | undefined {
  const half = shown.trimEnd()
  const owed = shown.slice(half.length)
  const count = (piece: string): number =>
    Array.from({ length: half.length }, (_, at) => half.startsWith(piece, at)).filter(Boolean).length
  if (half.length >= 32 && text.startsWith(half.slice(0, 32)) && count(half.slice(0, 32)) === 1) return undefined
  const overlaps = Array.from({ length: 257 }, (_, chars) => chars).filter(
    (chars) => chars >= 4 && chars <= half.length && text.startsWith(half.slice(half.length - chars)),
  )
  const longest = overlaps.at(-1) ?? 0
  const piece = half.slice(half.length - longest)
  const before = half.slice(0, half.length - longest)
  const isRepeating = before.length >= 4 && before.endsWith(half.slice(-4))
  const isFault = longest >= 16 && overlaps.length === 1 && piece.trim() !== '' && count(piece) === 1 && !isRepeating
  let rest = isFault ? text.slice(longest) : text
  for (const char of owed) {
    if (!rest.startsWith(char)) break
    rest = rest.slice(1)
  }
  return shown + rest
}
