import type { ChatMessage } from '@surefoot/protocol'
import { createSeededRandom } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { wasCut } from './was-cut.ts'

const BYTES_PER_TOKEN = 4
const CONTEXT = 4_096

/** Of so many tokens in this text's own measure; its JSON is part of it. */
function message(tokens: number, role = 'user', bytesPerToken: number = BYTES_PER_TOKEN): ChatMessage {
  const around = JSON.stringify({ role, content: '' }).length
  return { role, content: 'x'.repeat(Math.max(0, Math.round(tokens * bytesPerToken) - around)) }
}

const bytesOf = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, one) => sum + JSON.stringify(one).length, 0)

/** What Ollama reads of messages with these tokens, leaving out the oldest but those of the system and the last. */
function readOf(messages: readonly ChatMessage[], tokens: readonly number[], context: number): number {
  const left = tokens.map((count, at) => ({ count, role: messages[at]!.role }))
  const sum = (): number => left.reduce((all, { count }) => all + count, 0)
  while (sum() > context) {
    const oldest = left.slice(0, -1).findIndex(({ role }) => role !== 'system')
    if (oldest < 0) return context
    left.splice(oldest, 1)
  }
  return sum()
}

describe('a count shows a cut', () => {
  it.each<[string, readonly number[], string]>([
    ['one message that is too long alone', [9_000], 'user'],
    ['the oldest of a few', [1_000, 2_000, 1_500], 'user'],
    ['all but the last', [4_000, 500], 'user'],
    ['the oldest of many', Array.from({ length: 60 }, () => 80), 'user'],
    ['everything between the system and the last', [300, 3_000, 900], 'system'],
  ])('%s', (_name, tokens, role) => {
    const messages = tokens.map((count, at) => message(count, at === 0 ? role : 'user'))
    const count = readOf(messages, tokens, CONTEXT)
    expect(count).toBeLessThanOrEqual(CONTEXT)
    const prompt = { count, messages, bytes: bytesOf(messages), bytesPerToken: BYTES_PER_TOKEN }
    expect(wasCut({ ...prompt, context: CONTEXT })).toBe(true)
    expect(wasCut({ ...prompt, context: undefined })).toBe(true)
  })

  it('also when the model was loaded anew with a larger context before anybody looked', () => {
    const messages = [message(9_000)]
    const prompt = { count: CONTEXT, messages, bytes: bytesOf(messages), bytesPerToken: BYTES_PER_TOKEN }
    expect(wasCut({ ...prompt, context: 2 * CONTEXT })).toBe(true)
    // A text of long words, and a whole one that fills half a context.
    expect(wasCut({ ...prompt, bytesPerToken: 6, context: 2 * CONTEXT })).toBe(false)
  })

  it('that of a whole prompt does not, whether it is dense or not, as long as it leaves room', () => {
    const random = createSeededRandom(3)
    for (let prompt = 0; prompt < 2_000; prompt++) {
      const own = BYTES_PER_TOKEN * (0.6 + random.next())
      const tokens = Array.from({ length: 1 + Math.floor(random.next() * 8) }, () =>
        Math.floor(20 + random.next() * 220),
      )
      const messages = tokens.map((count) => message(count, 'user', own))
      const count = readOf(messages, tokens, CONTEXT)
      const bytes = bytesOf(messages)
      expect(wasCut({ count, context: CONTEXT, messages, bytes, bytesPerToken: BYTES_PER_TOKEN })).toBe(false)
    }
  })

  it('those of cut conversations, nearly always: what was left out is most of a context', () => {
    const random = createSeededRandom(4)
    let cuts = 0
    let seen = 0
    for (let prompt = 0; prompt < 2_000; prompt++) {
      const own = BYTES_PER_TOKEN * (0.9 + random.next() * 0.2)
      const tokens = Array.from({ length: 12 }, () => Math.floor(200 + random.next() * 800))
      const messages = tokens.map((count) => message(count, 'user', own))
      const count = readOf(messages, tokens, CONTEXT)
      if (count === tokens.reduce((sum, one) => sum + one, 0)) continue
      cuts++
      const bytes = bytesOf(messages)
      seen += Number(wasCut({ count, context: CONTEXT, messages, bytes, bytesPerToken: BYTES_PER_TOKEN }))
    }
    expect(cuts).toBeGreaterThan(1_500)
    expect(seen / cuts).toBeGreaterThan(0.99)
  })
})
