import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, failureOf, inParallel, median, pause, startPair, until } from './setup.ts'

const stateOf = async (surefoot: LocalSurefoot) => (await surefoot.backends())[0]!.breaker.state

/** Lets five calls fail in a row, one attempt each. */
async function open(surefoot: LocalSurefoot): Promise<void> {
  for (let call = 0; call < 5; call++) await failureOf(surefoot.chat('hi', { deadlineMs: 10_000 }))
  expect(await stateOf(surefoot)).toBe('open')
}

/** One attempt a call, no waiting: what the breaker does is plain to see. */
const bare = { maxRetries: 0, promptRetry: false, waitForReadyMs: 0 }

describe('breaker', () => {
  it('opens after five failures in a row, and not after four and a success', async () => {
    await using pair = await startPair({}, bare)
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal({ times: 4 }))
    for (let call = 0; call < 4; call++) expect((await failureOf(surefoot.chat('hi'))).code).toBe('BACKEND_FAILED')
    await surefoot.chat('hi')
    await ollama.fault(faults.internal())
    for (let call = 0; call < 4; call++) await failureOf(surefoot.chat('hi'))
    expect((await surefoot.backends())[0]!.breaker).toMatchObject({ state: 'closed', failures: 4 })
    await failureOf(surefoot.chat('hi'))
    expect((await surefoot.backends())[0]!.breaker).toMatchObject({
      state: 'open',
      failures: 5,
      reason: 'BACKEND_FAILED',
    })
  })

  it('is not moved by mistakes of the caller, aborts or overload', async () => {
    await using pair = await startPair({ firstTokenMs: 5 }, bare)
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal({ times: 4 }))
    for (let call = 0; call < 4; call++) await failureOf(surefoot.chat('hi'))
    await ollama.fault(faults.busy())
    for (let call = 0; call < 3; call++) expect((await failureOf(surefoot.chat('hi'))).code).toBe('OVERLOADED')
    await ollama.fault()
    expect((await failureOf(surefoot.chat('hi', { model: 'nobody' }))).code).toBe('MODEL_NOT_FOUND')
    expect((await failureOf(surefoot.chat(''))).code).toBe('INVALID_REQUEST')
    const run = surefoot.run('hi')
    run.stop()
    await expect(run.answer).rejects.toThrow('stopped')
    expect((await surefoot.backends())[0]!.breaker).toMatchObject({ state: 'closed', failures: 4 })
  })

  it('open, it answers in under 5 ms and touches no backend', async () => {
    await using pair = await startPair({}, { ...bare, earlyClose: false })
    await pair.ollama.fault(faults.internal())
    await open(pair.surefoot)
    pair.ollama.reset()
    const took: number[] = []
    for (let call = 0; call < 21; call++) {
      const startMs = performance.now()
      const error = await failureOf(pair.surefoot.chat('hi'))
      took.push(performance.now() - startMs)
      expect(error).toMatchObject({ code: 'BREAKER_OPEN', message: 'Circuit breaker is OPEN - service unavailable' })
      expect(error.retryAfterMs).toBeGreaterThan(50_000)
    }
    expect(median(took)).toBeLessThan(5)
    expect(pair.ollama.counts).toMatchObject({ requests: 0, connections: 0 })
  })

  it('lets exactly one of 20 callers probe when its time is over, and closes on the success', async () => {
    await using pair = await startPair({ firstTokenMs: 50, slots: 20 }, { ...bare, breakerOpenMs: 60, slots: 20 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal())
    await open(surefoot)
    await ollama.fault()
    ollama.reset()
    await pause(80)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => surefoot.chat('hi')))
    expect(ollama.counts.chats).toBe(1)
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(await stateOf(surefoot)).toBe('closed')
  })

  it('opens again when the one probe fails', async () => {
    await using pair = await startPair({ slots: 20 }, { ...bare, breakerOpenMs: 60, slots: 20 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal())
    await open(surefoot)
    ollama.reset()
    await pause(80)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => surefoot.chat('hi')))
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(ollama.counts.chats).toBe(1)
    expect(await stateOf(surefoot)).toBe('open')
  })

  it('lets the calls that wait for it go on when it closes, however many', async () => {
    await using pair = await startPair({ slots: 4 }, { maxRetries: 0, promptRetry: false, breakerOpenMs: 60, slots: 4 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal())
    await open(surefoot)
    await ollama.fault()
    const texts = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await surefoot.chat(`${n}`)).message))
    expect(texts.map(({ content }) => content)).toEqual(texts.map((_, n) => answerTo(`${n}`)))
  })

  it('closes early when a backend that refused is back, also without calls', async () => {
    await using pair = await startPair({}, bare)
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    await open(surefoot)
    await ollama.fault()
    await until(async () => (await stateOf(surefoot)) === 'half-open')
    await surefoot.chat('hi')
    expect(await stateOf(surefoot)).toBe('closed')
  })

  it('does not let itself be deceived by health routes that answer while nothing else does', async () => {
    await using first = await createStandIn({ answers })
    await using second = await createStandIn({ answers })
    await using surefoot = createSurefoot(
      { backends: [first.url, second.url], logLevel: 'silent', retryDelayMs: 1 },
      { env: {} },
    )
    await first.fault(faults.internal())
    const ask = () => inParallel(20, 2, async () => void (await surefoot.chat('hi')))
    await ask()
    expect(first.counts.chats).toBe(5)
    await until(() => (first.counts.routes['/api/version'] ?? 0) > 0)
    await ask()
    expect(first.counts.chats).toBe(5)
  })

  it('an attempt of before it opened never closes it', async () => {
    await using pair = await startPair({ slots: 2, tokensPerSecond: 100 }, { ...bare, slots: 2, earlyClose: false })
    const { ollama, surefoot } = pair
    const long = surefoot.chat('a long answer')
    await until(() => ollama.counts.tokens > 0)
    await ollama.fault(faults.internal())
    await open(surefoot)
    expect((await long).message.content).toBe(answerTo('a long answer'))
    expect(await stateOf(surefoot)).toBe('open')
  })

  it('streams that are cut at once are one failure', async () => {
    await using pair = await startPair({ slots: 8, tokensPerSecond: 50 }, { ...bare, slots: 8 })
    const { ollama, surefoot } = pair
    const runs = Array.from({ length: 8 }, () => surefoot.chat('hi'))
    const outcomes = Promise.allSettled(runs)
    await until(() => ollama.counts.tokens >= 16)
    await ollama.restart()
    expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
    expect((await surefoot.backends())[0]!.breaker.failures).toBeLessThan(5)
    expect((await surefoot.chat('hi')).attempts).toBe(1)
  })

  it('with a wrong OLLAMA_BASE_URL it says what to do', async () => {
    const standIn = await createStandIn()
    const { url } = standIn
    await standIn.close()
    await using surefoot = createSurefoot(
      { logLevel: 'silent', waitForReadyMs: 100, retryDelayMs: 1 },
      { env: { OLLAMA_BASE_URL: url } },
    )
    const error = await failureOf(surefoot.chat('hi'))
    expect(error).toMatchObject({ code: 'BREAKER_OPEN', message: 'Circuit breaker is OPEN - service unavailable' })
    expect(error.hint).toBe(
      `Cannot connect to Ollama at ${url}. Start it with \`ollama serve\`, or correct OLLAMA_BASE_URL.`,
    )
    await using impatient = createSurefoot(
      { logLevel: 'silent', maxRetries: 0, promptRetry: false },
      { env: { OLLAMA_BASE_URL: url } },
    )
    const first = await failureOf(impatient.chat('hi'))
    expect(first).toMatchObject({ code: 'CANNOT_CONNECT', message: `Cannot connect to Ollama at ${url}`, backend: url })
    expect(first.hint).toContain('ollama serve')
    expect(first.hint).toContain('OLLAMA_BASE_URL')
    expect((await impatient.health()).backends[0]).toMatchObject({
      reachable: false,
      problem: `Cannot connect to Ollama at ${url}. Start it with \`ollama serve\`, or correct OLLAMA_BASE_URL.`,
    })
  })

  it('a call gives up after waitForReadyMs, however often it was let probe meanwhile', async () => {
    await using pair = await startPair({}, { waitForReadyMs: 1_500, retryDelayMs: 1 })
    await pair.ollama.fault(faults.refuse())
    const startMs = performance.now()
    expect(await failureOf(pair.surefoot.chat('hi'))).toMatchObject({ code: 'BREAKER_OPEN' })
    expect(performance.now() - startMs).toBeGreaterThan(1_490)
    expect(performance.now() - startMs).toBeLessThan(2_500)
  })

  it('with a host name that nobody knows it says so', async () => {
    await using surefoot = createSurefoot(
      { backends: 'http://surefoot.invalid:11434', logLevel: 'silent', maxRetries: 0, promptRetry: false },
      { env: {} },
    )
    const error = await failureOf(surefoot.chat('hi'))
    expect(error.code).toBe('CANNOT_CONNECT')
    expect(error.hint).toContain('OLLAMA_BASE_URL')
  })
})

describe('guide preset', () => {
  const guide = { preset: 'guide' as const }

  it('makes exactly three retries, after 1, 2 and 4 s', async () => {
    await using pair = await startPair({}, { ...guide, retryDelayMs: 10 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    const waits: (number | undefined)[] = []
    surefoot.telemetry.on((event) => {
      if (event.type === 'attempt-fail') waits.push(event.waitMs)
    })
    expect((await failureOf(surefoot.chat('hi'))).attempts).toBe(4)
    // A hundredth of the guide's seconds.
    expect(waits).toEqual([10, 20, 40, undefined])
  })

  it("has the guide's numbers", async () => {
    await using pair = await startPair({}, guide)
    const waits: (number | undefined)[] = []
    pair.surefoot.telemetry.on((event) => {
      if (event.type === 'attempt-fail') waits.push(event.waitMs)
    })
    await pair.ollama.fault(faults.internal({ times: 1 }))
    expect((await pair.surefoot.chat('hi')).attempts).toBe(2)
    expect(waits).toEqual([1_000])
  })

  it('waits the literal 60 s: a backend that is back is not probed before', async () => {
    await using pair = await startPair({}, { ...guide, retryDelayMs: 1, breakerOpenMs: 400 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    await failureOf(surefoot.chat('hi'))
    expect((await failureOf(surefoot.chat('hi'))).code).toBe('BREAKER_OPEN')
    const openedMs = performance.now()
    await ollama.fault()
    ollama.reset()
    while (performance.now() - openedMs < 300) {
      expect((await failureOf(surefoot.chat('hi'))).code).toBe('BREAKER_OPEN')
      await pause(20)
    }
    expect(ollama.counts.requests).toBe(0)
    await until(async () => (await Promise.allSettled([surefoot.chat('hi')]))[0]?.status === 'fulfilled')
    expect(performance.now() - openedMs).toBeGreaterThan(380)
  })
})
