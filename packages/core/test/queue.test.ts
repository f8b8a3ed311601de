import type { QueuedEvent } from '@surefoot/protocol'
import { sevenB } from '@surefoot/testing'
import type { StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, failureOf, read, startPair, until } from './setup.ts'

/** The 7 B model a hundred times as fast. */
const quick = { ...sevenB, firstTokenMs: 10, tokensPerSecond: 3_000, answerTokens: undefined }

/** The most requests that the backend ever held at once, until it is stopped. */
function watchRequests(ollama: StandIn): () => number {
  let most = 0
  let watching = true
  const look = (): void => {
    most = Math.max(most, ollama.counts.openRequests)
    if (watching) setImmediate(look)
  }
  look()
  return () => {
    watching = false
    return most
  }
}

describe('queue', () => {
  for (const slots of [1, 3]) {
    it(`20 at once on ${slots} slot(s): all answered, never more requests at the backend than slots`, async () => {
      await using pair = await startPair({ ...quick, slots }, { slots })
      const { ollama, surefoot } = pair
      const mostRequests = watchRequests(ollama)
      const texts = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await surefoot.chat(`${n}`)).message))
      expect(texts.map(({ content }) => content)).toEqual(texts.map((_, n) => answerTo(`${n}`)))
      expect(mostRequests()).toBe(slots)
      expect(ollama.counts).toMatchObject({ chats: 20, answered: 20, faulted: 0 })
      // A socket rests for one turn of the event loop after its answer; meanwhile the next call takes another one. And
      // looks have a socket of their own.
      expect(ollama.counts.connections).toBeLessThanOrEqual(2 * slots + 1)
    })
  }

  it('is first come, first served', async () => {
    await using pair = await startPair(quick)
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        await pair.surefoot.chat(`${n}`)
        order.push(n)
      }),
    )
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('tells each caller its place, which only falls, and what it has to expect', async () => {
    await using pair = await startPair(quick)
    await pair.surefoot.chat('measured')
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => read(pair.surefoot, `${n}`)))
    all.forEach(({ events, text }, index) => {
      expect(text).toBe(answerTo(`${index}`))
      const queued = events.filter((event): event is QueuedEvent => event.type === 'queued')
      expect(queued.map(({ position }) => position)).toEqual(Array.from({ length: index }, (_, step) => index - step))
      expect(queued.every(({ waitingFor }) => waitingFor === 'slot')).toBe(true)
      for (const { expectedWaitMs, position } of queued) {
        expect(expectedWaitMs).toBeGreaterThan(5 * position)
        expect(expectedWaitMs).toBeLessThan(1_000 * position)
      }
    })
  })

  it('is one per model: a slow model does not keep another one waiting', async () => {
    await using pair = await startPair({ ...quick, firstTokenMs: 400 })
    const { surefoot, ollama } = pair
    const slow = [surefoot.chat('a'), surefoot.chat('b')]
    await until(() => ollama.counts.openRequests === 1)
    ollama.set({ firstTokenMs: 0 })
    await surefoot.chat('c', { model: 'smollm2:135m' })
    expect((await surefoot.health()).waiting).toBe(1)
    await Promise.all(slow)
  })

  it('has a length, and the next one is told to come later', async () => {
    await using pair = await startPair({ ...quick, firstTokenMs: 100 }, { slots: 1, maxQueueLength: 2 })
    const calls = [1, 2, 3].map((n) => pair.surefoot.chat(`${n}`))
    expect(await failureOf(pair.surefoot.chat('4'))).toMatchObject({
      code: 'QUEUE_FULL',
      message: '2 calls for llama3.2 are waiting already.',
      retryAfterMs: 1_000,
    })
    await Promise.all(calls)
    expect(pair.ollama.counts.chats).toBe(3)
  })

  it('is left after queueTimeoutMs, and the backend is not asked', async () => {
    await using pair = await startPair({ ...quick, firstTokenMs: 500 }, { slots: 1, queueTimeoutMs: 100 })
    const first = pair.surefoot.chat('1')
    const startMs = performance.now()
    expect((await failureOf(pair.surefoot.chat('2'))).code).toBe('QUEUE_TIMEOUT')
    expect(performance.now() - startMs).toBeGreaterThan(98)
    await first
    expect(pair.ollama.counts.chats).toBe(1)
  })

  it('time in it does not count as silence, but counts for the deadline', async () => {
    await using pair = await startPair({ ...quick, firstTokenMs: 150 }, { slots: 1, timeoutMs: 250 })
    const calls = [1, 2, 3, 4].map((n) => pair.surefoot.chat(`${n}`))
    await until(() => pair.ollama.counts.openRequests === 1)
    expect((await failureOf(pair.surefoot.chat('5', { deadlineMs: 50 }))).code).toBe('DEADLINE_EXCEEDED')
    await Promise.all(calls)
    expect(pair.ollama.counts.chats).toBe(4)
  })

  it('2,000 callers at once: all answered, the event loop free, nothing left', async () => {
    await using pair = await startPair({ slots: 8, answers: ({ prompt }) => `<${prompt}>` }, { slots: 8 })
    const { ollama, surefoot } = pair
    const answers = await Promise.all(Array.from({ length: 2_000 }, (_, n) => surefoot.chat(`n${n}`)))
    expect(answers.every(({ message }, n) => message.content === `<n${n}>`)).toBe(true)
    expect(ollama.counts.connections).toBeLessThanOrEqual(16 + 1)
    expect((await surefoot.backends())[0]!.inFlight).toBe(0)
  })

  it('2,000 tiny deadlines at once: every call ends, nothing is left', async () => {
    await using pair = await startPair({ slots: 4, tokensPerSecond: 200 }, { slots: 4 })
    const { ollama, surefoot } = pair
    const codes = await Promise.all(
      Array.from({ length: 2_000 }, (_, n) =>
        surefoot.chat(`n${n}`, { deadlineMs: 1 + (n % 60) }).then(
          () => 'answered',
          (error: { code: string }) => error.code,
        ),
      ),
    )
    expect(
      [...new Set(codes)].filter(
        (code) => !['answered', 'DEADLINE_EXCEEDED', 'QUEUE_FULL', 'QUEUE_TIMEOUT'].includes(code),
      ),
    ).toEqual([])
    await until(() => ollama.counts.openRequests === 0)
    expect((await surefoot.backends())[0]!).toMatchObject({ inFlight: 0, breaker: { state: 'closed', failures: 0 } })
    expect((await surefoot.health()).waiting).toBe(0)
  })
})
