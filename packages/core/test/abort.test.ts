import { getEventListeners } from 'node:events'

import type { LocalSurefoot } from '@surefoot/core'
import { createSeededRandom, createStandIn, faults } from '@surefoot/testing'
import type { StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { inParallel, pause, startPair, until } from './setup.ts'

/** Long enough that nobody reaches its end. */
const endless = { tokensPerSecond: 100, answerTokens: 10_000, answers: {} }
const reason = new Error('I have seen enough')

/** Generation has stopped within 0.5 s, and nothing of the call is left. */
async function expectNothingLeft(
  ollama: StandIn,
  surefoot: LocalSurefoot,
  { canceled = 1, sinceMs = performance.now() } = {},
): Promise<void> {
  await until(() => ollama.counts.openRequests === 0 && ollama.counts.canceled === canceled)
  expect(performance.now() - sinceMs).toBeLessThan(500)
  expect(ollama.counts.wastedTokens).toBeLessThanOrEqual(50)
  const [backend] = await surefoot.backends()
  expect(backend).toMatchObject({ inFlight: 0, breaker: { state: 'closed', failures: 0 } })
  await until(async () => (await surefoot.backends())[0]!.sockets === 0)
  expect((await surefoot.health()).waiting).toBe(0)
}

describe('a caller that goes away', () => {
  for (const buffered of [false, true]) {
    it(`${buffered ? 'buffered' : 'streamed'}: generation stops, the caller's reason comes back untouched`, async () => {
      await using pair = await startPair(endless)
      const { ollama, surefoot } = pair
      const controller = new AbortController()
      const { answer } = surefoot.run('hi', { signal: controller.signal, buffered })
      await until(() => ollama.counts.tokens > 3)
      const sinceMs = performance.now()
      controller.abort(reason)
      expect(await answer.catch((error: unknown) => error)).toBe(reason)
      expect(performance.now() - sinceMs).toBeLessThan(100)
      await expectNothingLeft(ollama, surefoot, { sinceMs })
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    })
  }

  it('before the first token', async () => {
    await using pair = await startPair({ firstTokenMs: 60_000 })
    const { ollama, surefoot } = pair
    await surefoot.health()
    const controller = new AbortController()
    const answer = surefoot.chat('hi', { signal: controller.signal })
    await until(() => ollama.counts.openRequests === 1)
    const sinceMs = performance.now()
    controller.abort(reason)
    expect(await answer.catch((error: unknown) => error)).toBe(reason)
    await expectNothingLeft(ollama, surefoot, { sinceMs })
    expect(ollama.counts.tokens).toBe(0)
  })

  it('while the connection is being made', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    const controller = new AbortController()
    const run = surefoot.run('hi', { signal: controller.signal })
    const failure = await (async () => {
      for await (const event of run) if (event.type === 'attempt') controller.abort(reason)
    })().catch((error: unknown) => error)
    expect(failure).toBe(reason)
    expect((await surefoot.backends())[0]!).toMatchObject({ inFlight: 0 })
    await until(async () => ollama.counts.openRequests === 0 && (await surefoot.backends())[0]!.sockets === 0)
    expect(ollama.counts.tokens).toBe(0)
  })

  it('in the queue: it leaves its place and never reaches the backend', async () => {
    await using pair = await startPair({ ...endless, answerTokens: 30 })
    const { ollama, surefoot } = pair
    const controller = new AbortController()
    const first = surefoot.chat('first')
    const queued = surefoot.chat('second', { signal: controller.signal })
    const third = surefoot.chat('third')
    await until(async () => (await surefoot.health()).waiting === 2)
    controller.abort(reason)
    expect(await queued.catch((error: unknown) => error)).toBe(reason)
    expect((await surefoot.health()).waiting).toBe(1)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await Promise.all([first, third])
    expect(ollama.counts).toMatchObject({ chats: 2, canceled: 0 })
  })

  it('in the wait between retries: no further attempt', async () => {
    await using pair = await startPair({}, { retryDelayMs: 60_000 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.internal())
    const controller = new AbortController()
    const answer = surefoot.chat('hi', { signal: controller.signal })
    await until(() => ollama.counts.chats === 2)
    await pause(20)
    controller.abort(reason)
    expect(await answer.catch((error: unknown) => error)).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await pause(20)
    expect(ollama.counts.chats).toBe(2)
    expect((await surefoot.backends())[0]!.inFlight).toBe(0)
  })

  it('while it waits for a backend to come back', async () => {
    await using pair = await startPair({}, { retryDelayMs: 1 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    const controller = new AbortController()
    const run = surefoot.run('hi', { signal: controller.signal })
    const failure = await (async () => {
      for await (const event of run) {
        if (event.type === 'queued' && event.waitingFor === 'backend') controller.abort(reason)
      }
    })().catch((error: unknown) => error)
    expect(failure).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('while it is found out whether the model exists', async () => {
    await using pair = await startPair({ models: [{ name: 'llama3.2' }] })
    const { ollama, surefoot } = pair
    await surefoot.health()
    await pause(1_010)
    await ollama.fault(faults.hang({ routes: 'all' }))
    const controller = new AbortController()
    const answer = surefoot.chat('hi', { model: 'unheard-of', signal: controller.signal })
    await until(() => ollama.counts.openRequests === 1)
    const sinceMs = performance.now()
    controller.abort(reason)
    expect(await answer.catch((error: unknown) => error)).toBe(reason)
    expect(performance.now() - sinceMs).toBeLessThan(100)
  })

  it('before it begins: nothing is asked', async () => {
    await using pair = await startPair()
    const answer = pair.surefoot.chat('hi', { signal: AbortSignal.abort(reason) })
    expect(await answer.catch((error: unknown) => error)).toBe(reason)
    expect(pair.ollama.counts.connections).toBe(0)
  })

  it('by leaving the loop', async () => {
    await using pair = await startPair(endless)
    const { ollama, surefoot } = pair
    const run = surefoot.run('hi')
    let deltas = 0
    for await (const event of run) if (event.type === 'delta' && ++deltas === 3) break
    await expectNothingLeft(ollama, surefoot)
    await expect(run.answer).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('by run.stop()', async () => {
    await using pair = await startPair(endless)
    const { ollama, surefoot } = pair
    const run = surefoot.run('hi')
    await until(() => ollama.counts.tokens > 3)
    run.stop(reason)
    expect(await run.answer.catch((error: unknown) => error)).toBe(reason)
    await expectNothingLeft(ollama, surefoot)
  })

  it('by abort() of a chat stream', async () => {
    await using pair = await startPair(endless)
    const { ollama, surefoot } = pair
    const stream = await surefoot.chat({ messages: [{ role: 'user', content: 'hi' }], stream: true })
    let chunks = 0
    const failure = await (async () => {
      for await (const _chunk of stream) if (++chunks === 5) stream.abort()
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'AbortError' })
    expect(chunks).toBeGreaterThanOrEqual(5)
    await expectNothingLeft(ollama, surefoot)
  })

  it('by leaving the loop over a chat stream', async () => {
    await using pair = await startPair(endless)
    const stream = await pair.surefoot.chat({ messages: [{ role: 'user', content: 'hi' }], stream: true })
    for await (const _chunk of stream) break
    await expectNothingLeft(pair.ollama, pair.surefoot)
  })

  it('by the deadline, with the text so far', async () => {
    await using pair = await startPair(endless)
    const { ollama, surefoot } = pair
    const run = surefoot.run('hi', { deadlineMs: 200 })
    const texts: string[] = []
    const failure = await (async () => {
      for await (const event of run) if (event.type === 'delta') texts.push(event.text)
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 1, partial: texts.join('') })
    expect(texts.length).toBeGreaterThan(3)
    await expectNothingLeft(ollama, surefoot)
  })

  it('without ever reading: the backend is not read on and on, and the signal ends the call', async () => {
    await using pair = await startPair({ answerTokens: 200_000, answers: {} })
    const { ollama, surefoot } = pair
    const controller = new AbortController()
    const ends: string[] = []
    surefoot.telemetry.on((event) => {
      if (event.type === 'call-end') ends.push(event.outcome)
    })
    surefoot.run('hi', { signal: controller.signal })
    let before = -1
    await until(async () => {
      const stood = ollama.counts.tokens === before && before > 256
      before = ollama.counts.tokens
      await pause(100)
      return stood
    })
    expect(ollama.counts.tokens).toBeLessThan(100_000)
    controller.abort(reason)
    await expectNothingLeft(ollama, surefoot)
    expect(ends).toEqual(['aborted'])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await surefoot.close()
  })

  it('one signal for many calls keeps no listener', async () => {
    await using pair = await startPair({ slots: 4 }, { slots: 4 })
    const { signal } = new AbortController()
    await inParallel(200, 20, async (index) => {
      const run = pair.surefoot.run(`${index}`, { signal })
      if (index % 3 === 0) for await (const _event of run) break
      else if (index % 3 === 1) run.stop()
      await run.answer.catch(() => {})
    })
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect((await pair.surefoot.backends())[0]!.inFlight).toBe(0)
  })

  it('200 times at random: never a foreign word in an answer, nothing left', async () => {
    const random = createSeededRandom(42)
    await using ollama = await createStandIn({
      slots: 4,
      tokensPerSecond: 2_000,
      firstTokenMs: 2,
      answers: ({ prompt }) => Array.from({ length: 40 }, () => `${prompt} `),
    })
    await using pair = await startPair({}, { backends: ollama.url, slots: 4 })
    const { surefoot } = pair
    const long = new AbortController()
    let aborted = 0
    await inParallel(200, 10, async (index) => {
      const nonce = `n${index}x`
      const controller = new AbortController()
      // By the tokens that came, not by the clock: on a busy machine no answer would be whole, on a quick one all.
      const leavesAfter = Math.floor(random.next() * 80)
      const signal = AbortSignal.any([long.signal, controller.signal])
      const run = surefoot.run(nonce, { signal })
      let text = ''
      let tokens = 0
      const count = (): void => {
        if (tokens++ === leavesAfter) controller.abort(reason)
      }
      // Before the first token too, at different moments of the way there.
      if (leavesAfter < 10) setTimeout(() => controller.abort(reason), leavesAfter)
      else count()
      try {
        for await (const event of run) {
          if (event.type !== 'delta') continue
          text += event.text
          count()
        }
        expect(text).toBe(`${nonce} `.repeat(40))
      } catch (error) {
        expect(error).toBe(reason)
        aborted++
      }
      expect(`${nonce} `.repeat(40).startsWith(text)).toBe(true)
    })
    expect(aborted).toBeGreaterThan(50)
    expect(aborted).toBeLessThan(200)
    await until(() => ollama.counts.openRequests === 0)
    expect((await surefoot.backends())[0]!).toMatchObject({ inFlight: 0 })
    expect((await surefoot.backends())[0]!.sockets).toBeLessThanOrEqual(20)
    expect((await surefoot.chat('and now')).message.content).toBe('and now '.repeat(40))
  })
})
