import { faults, SERVER_BUSY_TEXT } from '@surefoot/testing'
import type { Fault } from '@surefoot/testing'
import type { ErrorCode } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { answerTo, failureOf, read, startPair, until } from './setup.ts'

interface Row {
  readonly fault: Fault
  readonly code: ErrorCode
  readonly words: RegExp
  /** It strikes after the first token, so that a reader of the stream has seen some text. */
  readonly midStream: boolean
}

const after = { afterTokens: 4 }

const rows: Record<string, Row> = {
  'an error line': {
    fault: faults.errorLine(after),
    code: 'STREAM_INTERRUPTED',
    words: /broke off its answer: .*unexpected EOF/,
    midStream: true,
  },
  'an error line before the first token': {
    fault: faults.errorLine({ afterTokens: 0 }),
    code: 'BACKEND_FAILED',
    words: /failed: .*unexpected EOF/,
    midStream: false,
  },
  'a proper end without done': {
    fault: faults.noDone(after),
    code: 'STREAM_INTERRUPTED',
    words: /without the end mark/,
    midStream: true,
  },
  'a proper end without a line': {
    fault: faults.noDone({ afterTokens: 0 }),
    code: 'STREAM_INTERRUPTED',
    words: /without the end mark/,
    midStream: false,
  },
  'a cut in the middle': {
    fault: faults.cut(after),
    code: 'STREAM_INTERRUPTED',
    words: /broke in the middle of the answer/,
    midStream: true,
  },
  'a cut just before the last line': {
    fault: faults.cut({ afterTokens: 10_000 }),
    code: 'STREAM_INTERRUPTED',
    words: /broke in the middle of the answer/,
    midStream: true,
  },
  'an RST in the middle': {
    fault: faults.resetAtByte(400),
    code: 'STREAM_INTERRUPTED',
    words: /broke in the middle of the answer/,
    midStream: true,
  },
  'an RST in the first line': {
    fault: faults.resetAtByte(10),
    code: 'CANNOT_CONNECT',
    words: /closed before an answer/,
    midStream: false,
  },
  'a bad line in the middle': {
    fault: faults.garbage({ atLine: 3 }),
    code: 'STREAM_INTERRUPTED',
    words: /not JSON/,
    midStream: true,
  },
  'a bad last line': {
    fault: faults.garbage({ atLine: 23 }),
    code: 'STREAM_INTERRUPTED',
    words: /not JSON/,
    midStream: true,
  },
  'garbage only': { fault: faults.garbage(), code: 'BAD_RESPONSE', words: /not Ollama's protocol/, midStream: false },
  'JSON that is no chat line': {
    fault: faults.garbage({ text: '{"model":"x","done":true}' }),
    code: 'BAD_RESPONSE',
    words: /not Ollama's protocol/,
    midStream: false,
  },
  'no HTTP': { fault: faults.notHttp(), code: 'BAD_RESPONSE', words: /does not speak HTTP/, midStream: false },
  'done: false': { fault: faults.doneFalse(), code: 'STREAM_INTERRUPTED', words: /end mark/, midStream: true },
  'a 502 as a web page': {
    fault: faults.badGateway(),
    code: 'BACKEND_FAILED',
    words: /answered with status 502\.$/,
    midStream: false,
  },
  'a 500': { fault: faults.internal(), code: 'BACKEND_FAILED', words: /unexpected EOF/, midStream: false },
  'a 503 as text': {
    fault: faults.unavailable(),
    code: 'BACKEND_FAILED',
    words: /status 503: Service Unavailable/,
    midStream: false,
  },
  'a 503 that says busy': {
    fault: faults.busy(),
    code: 'OVERLOADED',
    words: /is busy: server busy, please try again/,
    midStream: false,
  },
  'a 429': { fault: faults.tooMany(0), code: 'OVERLOADED', words: /too many requests/, midStream: false },
  'a 200 that is a web page': {
    fault: faults.status(200, { body: '<html>It works!</html>', headers: { 'Content-Type': 'text/html' } }),
    code: 'BAD_RESPONSE',
    words: /not Ollama's protocol/,
    midStream: false,
  },
  'a redirect': {
    fault: faults.status(301, { body: '', headers: { Location: 'http://127.0.0.1:1/' } }),
    code: 'BAD_RESPONSE',
    words: /status 301/,
    midStream: false,
  },
  'a port of another program': {
    fault: faults.status(404, { body: '404 page not found', headers: { 'Content-Type': 'text/plain' } }),
    code: 'BAD_RESPONSE',
    words: /status 404/,
    midStream: false,
  },
}

const text = answerTo('hi')

describe('an answer is whole, or a clear error', () => {
  for (const [name, { fault, code, words, midStream }] of Object.entries(rows)) {
    it(`${name}: asked for again, a buffered call gets the whole answer`, async () => {
      await using pair = await startPair({}, { retryDelayMs: 1 })
      await pair.ollama.fault({ ...fault, times: 1 })
      const answer = await pair.surefoot.chat('hi')
      expect(answer).toMatchObject({ done: true, done_reason: 'stop', attempts: 2, message: { content: text } })
      expect(pair.ollama.counts.faulted).toBe(1)
    })

    it(`${name}: when it does not end, a buffered call fails with ${code}`, async () => {
      await using pair = await startPair({}, { maxRetries: 1, promptRetry: false, retryDelayMs: 1 })
      await pair.ollama.fault(fault)
      const error = await failureOf(pair.surefoot.chat('hi'))
      expect(error).toMatchObject({ code, attempts: 2, backend: pair.ollama.url, partial: undefined })
      expect(error.message).toMatch(words)
      expect(error.message).not.toMatch(/<|unedefined|\[object/)
      expect(error.hint).not.toBe('')
      await until(() => pair.ollama.counts.openRequests === 0)
      expect((await pair.surefoot.backends())[0]!.inFlight).toBe(0)
    })

    it(`${name}: a streamed call ${midStream ? 'ends with an error and the text so far' : 'does not notice'}`, async () => {
      await using pair = await startPair({}, { retryDelayMs: 1, resume: false })
      await pair.ollama.fault({ ...fault, times: 1 })
      const seen = await read(pair.surefoot, 'hi')
      if (midStream) {
        expect(seen.failure).toMatchObject({ code, partial: seen.text, attempts: 1 })
        expect(seen.text).not.toBe('')
        expect(text.startsWith(seen.text)).toBe(true)
        expect(seen.events.at(-1)?.type).toBe('delta')
      } else {
        expect(seen.failure).toBeUndefined()
        expect(seen.text).toBe(text)
        expect(seen.events.at(-1)).toMatchObject({
          type: 'finish',
          answer: { attempts: 2, message: { content: text } },
        })
      }
    })
  }

  it('an answer in pieces of a byte is the same answer', async () => {
    const tokens = ['Wasser', ' ist', ' süß', ' 水', ' 🌊', '!']
    await using pair = await startPair({ answers: { '*': tokens } })
    await pair.ollama.fault(faults.drip({ pieceBytes: 1, everyMs: 0 }))
    expect((await pair.surefoot.chat('hi')).message.content).toBe(tokens.join(''))
    expect((await read(pair.surefoot, 'hi')).text).toBe(tokens.join(''))
  })

  it('an answer without a word is whole', async () => {
    await using pair = await startPair({ answers: { '*': [] } })
    expect(await pair.surefoot.chat('hi')).toMatchObject({ done: true, message: { content: '' }, attempts: 1 })
  })

  it('an answer of 10 MB arrives whole', async () => {
    const token = 'x'.repeat(1_000)
    await using pair = await startPair({ answers: { '*': Array.from({ length: 10_000 }, () => token) } })
    const seen = await read(pair.surefoot, 'hi')
    expect(seen.failure).toBeUndefined()
    expect(seen.text.length).toBe(10_000_000)
    expect((await pair.surefoot.chat('hi')).message.content.length).toBe(10_000_000)
  })

  it('a line of 7 MB arrives, one of 9 MB is an error and not a short answer', async () => {
    await using pair = await startPair(
      { answers: ({ prompt }) => ['a', 'x'.repeat(Number(prompt)), 'b'] },
      { maxRetries: 0, promptRetry: false },
    )
    expect((await pair.surefoot.chat('7000000')).message.content.length).toBe(7_000_002)
    expect((await failureOf(pair.surefoot.chat('9000000'))).code).toBe('STREAM_INTERRUPTED')
    await until(() => pair.ollama.counts.openRequests === 0)
  })

  it('the words of a backend with a path or an address are cleaned', async () => {
    await using pair = await startPair({}, { maxRetries: 0, promptRetry: false })
    await pair.ollama.fault(
      faults.status(500, { message: 'open /srv/jo/secret/blob: Post "http://jo:pw@10.0.0.1/x": no such file' }),
    )
    const error = await failureOf(pair.surefoot.chat('hi'))
    expect(error.message).not.toMatch(/jo|pw|10\.0/)
    expect(error.message).toContain('no such file')
  })

  it('says what Ollama says when it is busy, and for how long', async () => {
    await using pair = await startPair({}, { maxRetries: 0, promptRetry: false })
    await pair.ollama.fault(faults.status(503, { message: SERVER_BUSY_TEXT, headers: { 'Retry-After': '7' } }))
    expect(await failureOf(pair.surefoot.chat('hi'))).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 7_000 })
  })
})
