import { systemRuntime } from '../src/runtime/system.ts'
import { faults } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, failureOf, pause, read, startPair, until } from './setup.ts'

/** One attempt a call. */
const bare = { maxRetries: 0, promptRetry: false }

describe('silence', () => {
  for (const version of ['0.32.15', '0.24.0'] as const) {
    it(`before the first token of a model in memory ends as RESPONSE_TIMEOUT (${version})`, async () => {
      await using pair = await startPair({ version }, { ...bare, timeoutMs: 200 })
      const { ollama, surefoot } = pair
      await surefoot.chat('warm up')
      await ollama.fault(faults.hang())
      const startMs = performance.now()
      const error = await failureOf(surefoot.chat('hi'))
      expect(error).toMatchObject({ code: 'RESPONSE_TIMEOUT', backend: ollama.url, attempts: 1 })
      expect(error.message).toContain('no first token')
      expect(performance.now() - startMs).toBeLessThan(1_500)
      await until(() => ollama.counts.openRequests === 0)
      expect((await surefoot.backends())[0]!.inFlight).toBe(0)
    })
  }

  it('between tokens ends as RESPONSE_TIMEOUT with the text so far', async () => {
    await using pair = await startPair({}, { timeoutMs: 200 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.stall({ afterTokens: 4 }))
    const { events, text, failure } = await read(surefoot, 'hi')
    expect(events.filter(({ type }) => type === 'finish')).toEqual([])
    expect(text).not.toBe('')
    expect(answerTo('hi').startsWith(text)).toBe(true)
    expect(failure).toMatchObject({ code: 'RESPONSE_TIMEOUT', partial: text, backend: ollama.url })
    await until(() => ollama.counts.openRequests === 0)
  })

  it('of one backend is not repeated there, but another one answers', async () => {
    await using other = await startPair()
    await using pair = await startPair()
    await using both = await startPair({}, { backends: [pair.ollama.url, other.ollama.url], timeoutMs: 200 })
    await pair.ollama.fault(faults.hang())
    for (let call = 0; call < 3; call++) {
      const answer = await both.surefoot.chat(`${call}`)
      expect(answer).toMatchObject({ backend: other.ollama.url, message: { content: answerTo(`${call}`) } })
      expect(answer.attempts).toBeLessThanOrEqual(2)
    }
    expect(pair.ollama.counts.chats).toBeLessThanOrEqual(3)
  })

  it('of a slow but steady backend is none', async () => {
    await using pair = await startPair(
      { firstTokenMs: 150, tokensPerSecond: 8, answers: { '*': 'a b c d e f' } },
      {
        ...bare,
        timeoutMs: 300,
      },
    )
    expect((await pair.surefoot.chat('hi')).message.content).toBe('a b c d e f')
  })

  it('is longer with tools or a format', async () => {
    await using pair = await startPair({ firstTokenMs: 500 }, { ...bare, timeoutMs: 100, structuredTimeoutMs: 5_000 })
    await pair.surefoot.chat({ messages: [{ role: 'user', content: 'hi' }], format: 'json' })
    expect((await failureOf(pair.surefoot.chat('hi'))).code).toBe('RESPONSE_TIMEOUT')
  })

  it("is not the backend's when the reader takes its time", async () => {
    await using pair = await startPair({ answerTokens: 50_000, answers: {} }, { timeoutMs: 500 })
    const { surefoot } = pair
    let text = ''
    let paused = false
    for await (const event of surefoot.run('hi')) {
      if (event.type !== 'delta') continue
      text += event.text
      if (!paused) await pause(1_000)
      paused = true
    }
    expect(text.startsWith('You asked: hi')).toBe(true)
    expect((await surefoot.backends())[0]!).toMatchObject({ attempts: { succeeded: 1, failed: 0, neutral: 0 } })
  })
})

describe('a backend that hangs', () => {
  it('opens the breaker also where the deadline is as long as the patience', async () => {
    await using pair = await startPair({}, { preset: 'guide', timeoutMs: 300 })
    const { ollama, surefoot } = pair
    await surefoot.chat('warm up', { deadlineMs: 10_000 })
    await ollama.fault(faults.hang())
    for (let call = 0; call < 5; call++) {
      expect((await failureOf(surefoot.chat('hi'))).code).toBe('DEADLINE_EXCEEDED')
    }
    const [backend] = await surefoot.backends()
    expect(backend).toMatchObject({
      breaker: { state: 'open', reason: 'RESPONSE_TIMEOUT' },
      attempts: { succeeded: 1, failed: 5, neutral: 0 },
    })
    expect((await failureOf(surefoot.chat('hi'))).code).toBe('BREAKER_OPEN')
  })
})

describe('a model that has to be loaded', () => {
  for (const version of ['0.32.15', '0.24.0'] as const) {
    it(`is waited for longer than the timeout, and the caller is told (${version})`, async () => {
      await using pair = await startPair({ version, loadMs: 800 }, { ...bare, timeoutMs: 200 })
      const { ollama, surefoot } = pair
      const { events, text, failure } = await read(surefoot, 'hi')
      expect(failure).toBeUndefined()
      expect(text).toBe(answerTo('hi'))
      expect(events.filter(({ type }) => type === 'loading')).toEqual([
        { type: 'loading', model: 'llama3.2', backend: ollama.url },
      ])
      expect(ollama.counts).toMatchObject({ loads: 1, abortedLoads: 0, chats: 2 })
    })
  }

  it('is told at once when it is known to be out of memory', async () => {
    await using pair = await startPair({ loadMs: 300 })
    const { ollama, surefoot } = pair
    await surefoot.health()
    const run = surefoot.run('hi')
    for await (const event of run) {
      if (event.type !== 'loading') continue
      expect(ollama.counts.tokens).toBe(0)
      break
    }
  })

  it('is given up after loadTimeoutMs', async () => {
    await using pair = await startPair({ loadMs: 60_000 }, { ...bare, timeoutMs: 100, loadTimeoutMs: 400 })
    const startMs = performance.now()
    expect((await failureOf(pair.surefoot.chat('hi'))).code).toBe('RESPONSE_TIMEOUT')
    expect(performance.now() - startMs).toBeGreaterThan(399)
  })

  it('goes on loading when its caller leaves, and nothing is generated for nobody', async () => {
    await using pair = await startPair({ loadMs: 500, answerTokens: 1_000, answers: {}, tokensPerSecond: 100 })
    const { ollama, surefoot } = pair
    await surefoot.health()
    const controller = new AbortController()
    const reason = new Error('gone')
    const run = surefoot.run('hi', { signal: controller.signal })
    await until(() => ollama.counts.loads === 1)
    const sinceMs = performance.now()
    controller.abort(reason)
    expect(await run.answer.catch((error: unknown) => error)).toBe(reason)
    expect(performance.now() - sinceMs).toBeLessThan(50)
    // The load is nobody's: it takes no slot, and no caller's leaving reaches it.
    expect((await surefoot.backends())[0]!).toMatchObject({ inFlight: 0, state: { name: 'loading' } })
    await until(async () => (await surefoot.backends())[0]!.state.name === 'up')
    await until(() => ollama.counts.openRequests === 0)
    expect(ollama.counts).toMatchObject({ loads: 1, abortedLoads: 0, canceled: 0, tokens: 0 })
    await ollama.fault()
    ollama.set({ answerTokens: 3 })
    await surefoot.chat('the next one finds it in memory')
    expect(ollama.counts.loads).toBe(1)
  })

  it('goes on loading also when what was known of it is old', async () => {
    let aheadMs = 0
    const { clock } = systemRuntime
    const runtime = {
      ...systemRuntime,
      clock: { nowMs: clock.nowMs, monotonicMs: () => clock.monotonicMs() + aheadMs },
    }
    await using pair = await startPair({ loadMs: 400 }, {}, { runtime })
    const { ollama, surefoot } = pair
    await surefoot.health()
    const run = surefoot.run('hi')
    await until(() => ollama.counts.loads === 1)
    aheadMs = 40_000
    run.stop()
    await run.answer.catch(() => {})
    await until(() => ollama.counts.openRequests === 0)
    expect(ollama.counts).toMatchObject({ loads: 1, abortedLoads: 0 })
  })

  it('is not waited for twice when the health routes are silent too', async () => {
    await using pair = await startPair({}, { ...bare, timeoutMs: 100 })
    await pair.ollama.fault(faults.hang({ routes: 'all' }))
    const startMs = performance.now()
    expect((await failureOf(pair.surefoot.chat('hi'))).code).toBe('RESPONSE_TIMEOUT')
    expect(performance.now() - startMs).toBeLessThan(4_000)
  })
})
