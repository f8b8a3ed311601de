import { readFileSync, readdirSync } from 'node:fs'

import { createSeededRandom } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readChatLine } from '../../src/transports/chat-line.ts'
import { LONGEST_LINE_BYTES, LineSplitter } from '../../src/transports/ndjson.ts'
import { naiveLines, naiveRead } from './naive-lines.ts'
import type { NaiveLine } from './naive-lines.ts'
import { FUZZ_INPUTS } from './prove.ts'

const RECORDINGS = new URL('../../../testing/recordings/', import.meta.url)

/** The body of every answer that was recorded, as its bytes. */
const BODIES: readonly { readonly name: string; readonly body: Buffer; readonly isLines: boolean }[] = readdirSync(
  RECORDINGS,
  { recursive: true, encoding: 'utf8' },
)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => {
    const answer = readFileSync(new URL(name, RECORDINGS), 'utf8').split(/<<< RESPONSE .*\n/)[1] ?? ''
    const [head, ...rest] = answer.split('\n=== END')[0]!.split('\n\n')
    return { name, body: Buffer.from(rest.join('\n\n')), isLines: /application\/x-ndjson/.test(head!) }
  })

/** Every line a splitter finds in these chunks, in Latin-1; `undefined` when it refused. */
function split(chunks: Iterable<Buffer>): string[] | undefined {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line.toString('latin1')))
  for (const chunk of chunks) if (!splitter.push(chunk)) return undefined
  splitter.end()
  return lines
}

const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))

/** What our reader makes of a line, in the words of the naive one. */
function read(line: string): NaiveLine {
  const found = readChatLine(Buffer.from(line, 'latin1'))
  if (found.kind === 'error') return ['error', typeof JSON.parse(Buffer.from(line, 'latin1').toString()).error]
  if (found.kind === 'delta') {
    const { text, thinking, toolCalls } = found.delta
    expect(Buffer.from(found.delta.bytes).toString('latin1')).toBe(line)
    return ['delta', text, thinking, toolCalls]
  }
  if (found.kind !== 'final') return ['bad']
  expect([found.final.chunk.message.content, found.final.chunk.done]).toEqual(['', true])
  return ['final', found.rest?.text ?? '', found.rest?.thinking, found.rest?.toolCalls]
}

function expectSame(line: string): NaiveLine['0'] {
  const found = read(line)
  expect(found, line.slice(0, 300)).toEqual(naiveRead(line))
  return found[0]
}

describe('every recording', () => {
  it('is there', () => {
    expect(BODIES.length).toBeGreaterThan(130)
    expect(BODIES.filter(({ isLines }) => isLines).length).toBeGreaterThan(10)
  })

  it('has the same lines wherever its bytes are cut once', () => {
    for (const { name, body } of BODIES) {
      const lines = naiveLines(body)
      for (let at = 0; at <= body.length; at++) {
        const found = split([body.subarray(0, at), body.subarray(at)])!
        if (found.length === lines.length && found.every((line, index) => line === lines[index])) continue
        expect(found, `${name} cut at ${at}`).toEqual(lines)
      }
    }
  })

  it('has the same lines when every byte comes alone, also with CRLF', () => {
    for (const { name, body } of BODIES) {
      const crlf = Buffer.from(body.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
      expect(split(bytewise(body)), name).toEqual(naiveLines(body))
      expect(split(bytewise(crlf)), name).toEqual(naiveLines(body))
    }
  })

  it('is read line by line as the naive reader does; those of a chat hold nothing bad', () => {
    for (const { body } of BODIES) for (const line of naiveLines(body)) expectSame(line)
    const chats = BODIES.filter(({ name, isLines }) => isLines && /chat|think|tools|prefill-jinja-stream/.test(name))
    expect(chats.length).toBeGreaterThan(3)
    for (const { name, body } of chats) {
      const kinds = naiveLines(body).map(expectSame)
      expect(kinds, name).not.toContain('bad')
    }
  })
})

/** A chat line with this as its text, printed already. */
const line = (content: string, more = '"done":false'): string =>
  `{"model":"m","created_at":"t","message":{"role":"assistant","content":${content}},${more}}`
/** As it is on the wire, one Latin-1 character a byte. */
const wire = (text: string): string => Buffer.from(text).toString('latin1')

describe('lines that nobody should send', () => {
  it.each<[name: string, line: string, kind: NaiveLine['0']]>([
    ['a byte order mark', wire(`\uFEFF${line('"x"')}`), 'bad'],
    ['a NUL', '\0', 'bad'],
    ['a NUL within a text', line('"a\0b"'), 'bad'],
    ['a NUL, escaped', line('"a\\u0000b"'), 'delta'],
    ['a lone surrogate, escaped', line('"\\ud83d"'), 'delta'],
    ['bytes that are no UTF-8', line('"\xff\xfe\xc3"'), 'delta'],
    ['the beginning of a character alone', line('"\xf0\x9f\x92"'), 'delta'],
    ['__proto__ as a text', '{"__proto__":{"message":{"content":"x"},"done":true},"done":false}', 'bad'],
    ['__proto__ as an error', `{"__proto__":{"error":"x"},${line('"x"').slice(1)}`, 'delta'],
    ['__proto__ in a final line', line('"x"', '"done":true,"__proto__":{"a":1},"constructor":1'), 'final'],
    ['a key twice: the last one counts', line('"x"', '"done":false,"done":true'), 'final'],
    ['an error twice: the last one counts', line('"x"', '"done":false,"error":"a","error":null'), 'delta'],
    ['NaN', line('"x"', '"done":true,"eval_count":NaN'), 'bad'],
    ['a number without end', line('"x"', '"done":true,"eval_count":1e999'), 'final'],
    ['thinking that is none', `{"message":{"content":"","thinking":5},"done":false}`, 'bad'],
    ['calls that are none', `{"message":{"content":"","tool_calls":5},"done":false}`, 'bad'],
    ['calls that are a text', `{"message":{"content":"","tool_calls":"look"},"done":false}`, 'bad'],
    ['a reason that is none', line('"x"', '"done":false,"done_reason":5'), 'bad'],
    ['an end that is none', line('"x"', '"done":"yes","done_reason":"stop"'), 'bad'],
    ['a list', '[]', 'bad'],
    ['an error that is a list', '{"error":[]}', 'error'],
  ])('%s', (_name, bytes, kind) => {
    expect(expectSame(bytes)).toBe(kind)
    expect({}).not.toHaveProperty('a')
  })

  it('100,000 levels: in what is not looked into, in an error, alone', () => {
    // Newer engines print what older ones find too deep.
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const kindOf = (text: string): string => readChatLine(Buffer.from(text)).kind
    expect(kindOf(line('"x"', `"done":false,"more":${deep}`))).toBe('delta')
    expect(['error', 'bad']).toContain(kindOf(`{"error":${deep}}`))
    expect(['final', 'bad']).toContain(kindOf(line('"x"', `"done":true,"more":${deep}`)))
    expect(kindOf(deep)).toBe('bad')
    expect(kindOf('['.repeat(100_000))).toBe('bad')
  })

  it('an error of 8 MB is told by its beginning, and at once', () => {
    const words = 'more memory than '.repeat(450_000)
    const found = readChatLine(Buffer.from(JSON.stringify({ error: words })))
    expect(found).toEqual({ kind: 'error', text: words.slice(0, 4096) })
  })

  it('a character of four bytes, cut in all its places', () => {
    const bytes = Buffer.from(`${line('"💧"')}\n${line('"é"')}\n`)
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= Math.min(first + 4, bytes.length); second++) {
        const found = split([bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)])!
        expect(found.map((one) => read(one)[1])).toEqual(['💧', 'é'])
      }
    }
  })

  it('100,000 empty lines are none', () => {
    expect(split([Buffer.from('\n'.repeat(100_000)), Buffer.from('\r\n'.repeat(100_000)), Buffer.from('x')])).toEqual([
      'x',
    ])
  })

  it('16 MiB without an end are refused at the limit, whole or in pieces, and nothing of them is kept', () => {
    const endless = Buffer.alloc(2 * LONGEST_LINE_BYTES, 'x')
    expect(split([endless])).toBeUndefined()
    const splitter = new LineSplitter(() => {})
    const before = process.memoryUsage().arrayBuffers
    let fed = 0
    while (splitter.push(endless.subarray(fed, fed + 1_021))) fed += 1_021
    expect(fed).toBeGreaterThan(LONGEST_LINE_BYTES - 2_000)
    expect(fed).toBeLessThanOrEqual(LONGEST_LINE_BYTES)
    // All the rooms it grew out of are counted here until they are collected: a doubling makes them twice the line.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * LONGEST_LINE_BYTES)
  })
})

describe('any bytes at all', () => {
  /** Pieces that matter to one of the two, and so are found sooner than by chance. */
  const PIECES = ['\n', '\r', '\r\n', '\n\n', '{', '}', '"', '\\', ',', ':', '[', ']', '\0', '\xef\xbb\xbf', '\xff']
  const WORDS = ['null', 'true', 'false', 'NaN', '1e999', '-0', '"error":', '"done":', '"done_reason":', '"message":']
  const KEYS = ['"content":', '"thinking":', '"tool_calls":', '"__proto__":', '{}', '[]', '""', '"x"', '\\ud83d', '5']
  const ALL = [...PIECES, ...WORDS, ...KEYS]

  it('mutated recordings are read as the naive reader reads them, however they are cut', () => {
    const random = createSeededRandom(1)
    const below = (most: number): number => Math.floor(random.next() * most)
    const corpus = BODIES.map(({ body }) => naiveLines(body)).flatMap((lines) =>
      lines.map((_, at) => lines.slice(at, at + 3).join('\n')),
    )
    const kinds = { delta: 0, final: 0, error: 0, bad: 0 }
    for (let input = 0; input < FUZZ_INPUTS; input++) {
      let text = corpus[below(corpus.length)]!.slice(0, 2_000)
      for (let change = below(5); change >= 0; change--) {
        const at = below(text.length + 1)
        const kept = [at, at, at + 1, at + below(20)][below(4)]!
        const put = below(3) === 0 ? String.fromCharCode(below(256)) : ALL[below(ALL.length)]!
        text = text.slice(0, at) + put + text.slice(kept)
      }
      const bytes = Buffer.from(text, 'latin1')
      const cuts = [0, below(bytes.length + 1), below(bytes.length + 1), bytes.length].toSorted((a, b) => a - b)
      const found = split([0, 1, 2].map((at) => bytes.subarray(cuts[at], cuts[at + 1])))
      const lines = naiveLines(bytes)
      if (found?.join('\n') !== lines.join('\n')) expect(found).toEqual(lines)
      for (const one of lines) {
        const ours = read(one)
        const naive = naiveRead(one)
        kinds[ours[0]]++
        if (JSON.stringify(ours) !== JSON.stringify(naive)) expect(ours, one).toEqual(naive)
      }
    }
    for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(FUZZ_INPUTS / 100)
  }, 3_600_000)

  it('takes time in proportion to the bytes, whatever the pieces', () => {
    const cpuMs = (bytes: number, size: number, with_: string): number => {
      const piece = Buffer.from(with_.repeat(Math.ceil(size / with_.length)).slice(0, size))
      let best = Number.POSITIVE_INFINITY
      for (let round = 0; round < 3; round++) {
        const splitter = new LineSplitter(() => {})
        const before = process.cpuUsage()
        for (let fed = 0; fed < bytes; fed += size) splitter.push(piece)
        const { user, system } = process.cpuUsage(before)
        best = Math.min(best, (user + system) / 1_000)
      }
      return best
    }
    for (const [size, with_] of [
      [1, 'x'],
      [1_000, 'x'],
      [1_000, '\n'],
      [1_000, 'x\n'],
    ] as const) {
      const [small, large] = [cpuMs(100_000, size, with_), cpuMs(1_000_000, size, with_)]
      // A reader whose work grew with the square would need a hundred times as long; a busy machine never ten times.
      expect(large, `pieces of ${size} bytes of ${JSON.stringify(with_)}`).toBeLessThan(30 * Math.max(small, 0.5))
    }
  })
})
