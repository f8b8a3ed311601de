import { Agent } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createStandIn, type Fault, faults, RUNNER_DIED_TEXT, SERVER_BUSY_TEXT } from '../src/index.ts'
import { exchangeRaw } from './raw-exchange.ts'
import { ask, chatBytes, until } from './requests.ts'

const answers = { '*': ['One', ' two', ' three', ' four', '.'] }

const contents = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line).message?.content)

describe('a fault on every request', () => {
  it('refuse: nobody listens', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.refuse())
    expect((await ask(standIn.url)).error).toBe('ECONNREFUSED')
    expect((await ask(standIn.url, { path: '/api/version' })).error).toBe('ECONNREFUSED')
    expect(standIn.listening).toBe(false)
    await standIn.fault()
    expect((await ask(standIn.url)).status).toBe(200)
    expect(standIn.counts).toMatchObject({ requests: 1, refusedWindows: 1 })
  })

  it('refuse: an answer in progress is finished, then its connection closes', async () => {
    await using standIn = await createStandIn({ answers, tokensPerSecond: 200 })
    const agent = new Agent({ keepAlive: true })
    const running = ask(standIn.url, { agent })
    await until(() => standIn.counts.tokens > 0)
    await standIn.fault(faults.refuse())
    expect(contents((await running).text)).toEqual(['One', ' two', ' three', ' four', '.', ''])
    await until(() => standIn.counts.openConnections === 0)
    expect((await ask(standIn.url)).error).toBe('ECONNREFUSED')
    agent.destroy()
  })

  it('reset before headers: RST and not one byte', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.resetBeforeHeaders())
    const answer = await exchangeRaw(standIn.port, chatBytes())
    expect(answer).toMatchObject({ error: 'ECONNRESET' })
    expect(answer.bytes.length).toBe(0)
  })

  it('reset reused: only a connection that has served before', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.resetReused())
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect((await ask(standIn.url, { agent })).status).toBe(200)
    expect((await ask(standIn.url, { agent })).error).toBe('ECONNRESET')
    expect((await ask(standIn.url, { agent })).status).toBe(200)
    expect(standIn.log.map(({ reused, fault, socketId }) => [reused, fault, socketId])).toEqual([
      [false, undefined, 1],
      [true, 'reset-reused', 1],
      [false, undefined, 2],
    ])
    agent.destroy()
  })

  it.each([0, 1, 20, 200])('reset at byte %i of the body', async (atByte) => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.resetAtByte(atByte))
    const whole = await ask(standIn.url)
    expect(whole).toMatchObject({ status: 200, error: 'ECONNRESET' })
    expect(Buffer.byteLength(whole.text)).toBe(atByte)
    const single = await ask(standIn.url, { body: { stream: false } })
    expect(single).toMatchObject({ status: 200, error: 'ECONNRESET' })
    expect(Buffer.byteLength(single.text)).toBe(atByte)
  })

  it('cut at token: FIN without the last chunk', async () => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.cut({ afterTokens: 2 }))
    const answer = await exchangeRaw(standIn.port, chatBytes())
    expect(answer).toMatchObject({ error: undefined, isComplete: false })
    expect(contents(answer.body)).toEqual(['One', ' two'])
    expect((await exchangeRaw(standIn.port, chatBytes({ stream: false }))).bytes.length).toBe(0)
  })

  it('hang: accepts and never answers, until the client leaves', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.hang())
    const control = new AbortController()
    const stuck = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.openRequests === 1)
    expect((await ask(standIn.url, { path: '/api/version' })).status).toBe(200)
    control.abort()
    await stuck
    await until(() => standIn.counts.openRequests === 0)
    expect(standIn.counts).toMatchObject({ canceled: 1, faulted: 1 })
  })

  it('stall at token: some tokens, then silence, and the slot stays taken', async () => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.stall({ afterTokens: 2, times: 1 }))
    const control = new AbortController()
    const stuck = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.tokens === 2)
    const next = ask(standIn.url)
    await until(() => standIn.counts.openRequests === 2)
    expect(standIn.counts.tokens).toBe(2)
    control.abort()
    expect(contents((await stuck).text)).toEqual(['One', ' two'])
    expect((await next).status).toBe(200)
  })

  it('error line: proper end, or 500 when not streamed, and on /v1 no error at all', async () => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.errorLine({ afterTokens: 1 }))
    const stream = await ask(standIn.url)
    expect(stream).toMatchObject({ status: 200, error: undefined })
    expect(JSON.parse(stream.text.split('\n')[1] as string)).toEqual({ error: RUNNER_DIED_TEXT })
    expect(await ask(standIn.url, { body: { stream: false } })).toMatchObject({
      status: 500,
      text: JSON.stringify({ error: RUNNER_DIED_TEXT }),
    })
    const v1 = await ask(standIn.url, { path: '/v1/chat/completions', body: { stream: true } })
    expect(v1).toMatchObject({ status: 200, error: undefined })
    expect(v1.text).not.toMatch(/error|\[DONE\]|"stop"/)
  })

  it('no done: proper end without the last line', async () => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.noDone({ afterTokens: 100 }))
    const stream = await ask(standIn.url)
    expect(stream.error).toBe(undefined)
    expect(contents(stream.text)).toEqual(['One', ' two', ' three', ' four', '.'])
    expect(stream.text).not.toContain('"done":true')
  })

  it.each<[string, Fault, number, RegExp]>([
    ['runner died', faults.internal(), 500, /^\{"error":"an error was encountered/],
    ['busy', faults.busy(), 503, new RegExp(SERVER_BUSY_TEXT)],
    ['unavailable', faults.unavailable(), 503, /^Service Unavailable$/],
    ['too many', faults.tooMany(3), 429, /too many/],
    ['proxy page', faults.badGateway(), 502, /^<html>/],
    ['teapot', faults.status(418, { body: 'short and stout' }), 418, /^short and stout$/],
  ])('status: %s', async (_name, fault, status, text) => {
    await using standIn = await createStandIn()
    await standIn.fault(fault)
    const seen = await ask(standIn.url)
    expect(seen.status).toBe(status)
    expect(seen.text).toMatch(text)
    expect(seen.headers['retry-after']).toBe(status === 429 ? '3' : undefined)
  })

  it('status: the text in the envelope of its route', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.internal())
    const seen = await ask(standIn.url, { path: '/v1/chat/completions' })
    expect(JSON.parse(seen.text).error).toMatchObject({ message: RUNNER_DIED_TEXT, type: 'api_error' })
  })

  it('garbage: one line or all', async () => {
    await using standIn = await createStandIn({ answers })
    await standIn.fault(faults.garbage({ atLine: 1, text: 'oops' }))
    expect((await ask(standIn.url)).text.split('\n').map((line) => line.slice(0, 5))).toEqual([
      '{"mod',
      'oops',
      '{"mod',
      '{"mod',
      '{"mod',
      '{"mod',
      '',
    ])
    await standIn.fault(faults.garbage())
    expect((await ask(standIn.url)).text).not.toContain('{')
    expect((await ask(standIn.url, { body: { stream: false } })).text).not.toContain('{')
  })

  it('not HTTP', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.notHttp())
    expect((await ask(standIn.url)).error).toBe('HPE_INVALID_CONSTANT')
  })

  it('slow: all times multiplied', async () => {
    await using standIn = await createStandIn({ answers, firstTokenMs: 4 })
    await standIn.fault(faults.slow(10))
    expect((await ask(standIn.url)).milliseconds).toBeGreaterThan(39)
  })

  it('drip: pieces that split lines and characters', async () => {
    await using standIn = await createStandIn({ answers: { '*': ['\u00fc', '\u{1f98a}'] } })
    await standIn.fault(faults.drip({ everyMs: 0 }))
    const answer = await exchangeRaw(standIn.port, chatBytes())
    expect(answer.frames.length).toBe(answer.bodyBytes)
    expect(answer.isComplete).toBe(true)
    expect((await ask(standIn.url)).text).toContain('\u{1f98a}')
  })

  it('done false', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.doneFalse())
    expect(JSON.parse((await ask(standIn.url, { body: { stream: false } })).text)).toMatchObject({ done: false })
  })
})
