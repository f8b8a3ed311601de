import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { LONGEST_LINE_BYTES, LineSplitter } from './ndjson.ts'

/** The lines that come of these chunks; `undefined` at the end when one was too long. */
function split(...chunks: readonly (string | Buffer)[]): (string | undefined)[] {
  const lines: (string | undefined)[] = []
  const splitter = new LineSplitter((line) => lines.push(line.toString('utf8')))
  for (const chunk of chunks) {
    if (!splitter.push(Buffer.from(chunk))) return [...lines, undefined]
  }
  splitter.end()
  return lines
}

describe('the line splitter', () => {
  const text = '{"text":"Wasser ist naß 💧"}\r\n{"text":"é"}\n\n\r\n{"done":true}\n'
  const lines = ['{"text":"Wasser ist naß 💧"}', '{"text":"é"}', '{"done":true}']

  it('finds the same lines wherever the bytes are cut once', () => {
    const bytes = Buffer.from(text)
    for (let at = 0; at <= bytes.length; at++) {
      expect(split(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(lines)
    }
  })

  it('finds the same lines when every byte comes alone', () => {
    expect(split(...Array.from(Buffer.from(text), (byte) => Buffer.from([byte])))).toEqual(lines)
  })

  it('finds the same lines however often the bytes are cut', () => {
    const line = fc.string({ unit: 'binary', minLength: 1 }).filter((one) => !/[\r\n]/.test(one))
    fc.assert(
      fc.property(
        fc.array(line),
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.nat(40), { minLength: 1 }),
        (all, end, cuts) => {
          const bytes = Buffer.from(all.map((one) => one + end).join(''))
          const chunks: Buffer[] = []
          for (let at = 0, index = 0; at < bytes.length; index++) {
            const length = cuts[index % cuts.length]! + 1
            chunks.push(bytes.subarray(at, at + length))
            at += length
          }
          expect(split(...chunks)).toEqual(all)
        },
      ),
      { numRuns: 300, seed: 1 },
    )
  })

  it('takes what is left at the end as a line', () => {
    expect(split('{"a":1}\n{"b"', ':2}')).toEqual(['{"a":1}', '{"b":2}'])
    expect(split('{"a":1}\r')).toEqual(['{"a":1}'])
    expect(split('')).toEqual([])
  })

  it('a carriage return inside a line belongs to it', () => {
    expect(split('a\rb\n', '\r\r\n')).toEqual(['a\rb', '\r'])
  })

  it('a line of exactly the longest length is one, a longer one is refused, whole or in pieces', () => {
    const longest = Buffer.alloc(LONGEST_LINE_BYTES, 'x')
    expect(split(longest, '\n')).toEqual([longest.toString()])
    expect(split(Buffer.concat([longest, Buffer.from('x\n')]))).toEqual([undefined])
    expect(split(longest, 'x')).toEqual([undefined])
    expect(split(longest, 'x\n')).toEqual([undefined])
  })

  it('refuses an endless line before its end has come', () => {
    const splitter = new LineSplitter(() => {})
    const chunk = Buffer.alloc(1024 * 1024)
    let accepted = 0
    while (splitter.push(chunk)) accepted++
    expect(accepted).toBe(8)
  })
})
