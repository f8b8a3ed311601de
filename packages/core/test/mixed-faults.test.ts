import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { Fault } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, inParallel } from './setup.ts'

const CALLS = 2_000

/** What a backend says that fails by itself; a runner that died on two backends would be the request's fault. */
const FAILED = { message: 'internal error', text: 'an error was encountered while running the model' }

/** Ten kinds, so that together they strike with about this probability. */
function mixed(probability: number): Fault[] {
  const each = { probability: probability / 10 }
  return [
    faults.refuse({ ...each, forMs: 5 }),
    faults.resetBeforeHeaders(each),
    faults.resetReused(each),
    faults.internal({ ...each, ...FAILED }),
    faults.unavailable(each),
    faults.badGateway(each),
    faults.busy(each),
    faults.resetAtByte(30, each),
    faults.errorLine({ ...each, ...FAILED, afterTokens: 5 }),
    faults.cut({ ...each, afterTokens: 5 }),
  ]
}

describe('three backends that fail at random', () => {
  for (const percent of [5, 10, 20]) {
    it(`${percent} % of the requests: ${CALLS} of ${CALLS} answered whole`, async () => {
      await using first = await createStandIn({ answers, slots: 4, seed: percent })
      await using second = await createStandIn({ answers, slots: 4, seed: percent + 1 })
      await using third = await createStandIn({ answers, slots: 4, seed: percent + 2 })
      const backends = [first, second, third]
      await using surefoot = createSurefoot(
        { backends: backends.map(({ url }) => url), slots: 4, retryDelayMs: 50, logLevel: 'silent' },
        { env: {} },
      )
      for (const backend of backends) await backend.fault(mixed(percent / 100))
      const failed: unknown[] = []
      let attempts = 0
      await inParallel(CALLS, 12, async (index) => {
        const question = `number ${index}`
        try {
          const answer = await surefoot.chat(question)
          attempts += answer.attempts
          if (answer.message.content !== answerTo(question)) failed.push(answer.message.content)
        } catch (error) {
          failed.push(error)
        }
      })
      expect(failed).toEqual([])
      // The faults did strike.
      expect(attempts - CALLS).toBeGreaterThan((CALLS * percent) / 200)
      expect(backends.map(({ counts }) => counts.openRequests)).toEqual([0, 0, 0])
    }, 30_000)
  }

  it('preset guide, 20 %: no more of 1,000 fail than chance alone lets fail four times in a row', async () => {
    const parts = new AsyncDisposableStack()
    await using _ = parts
    const backends = await Promise.all([1, 2, 3].map((seed) => createStandIn({ answers, slots: 4, seed })))
    for (const backend of backends) parts.use(backend)
    const surefoot = parts.use(
      createSurefoot(
        // Its waits, and the time its breaker stays open, a hundred times as short.
        {
          preset: 'guide',
          backends: backends.map(({ url }) => url),
          slots: 4,
          retryDelayMs: 10,
          breakerOpenMs: 600,
          logLevel: 'silent',
        },
        { env: {} },
      ),
    )
    // Nine of the ten: a port that closes would strike several calls at once, and they would not fail independently.
    const alone = mixed((0.2 * 10) / 9).filter(({ kind }) => kind !== 'refuse')
    for (const backend of backends) await backend.fault(alone)
    let failed = 0
    await inParallel(1_000, 6, async (index) => {
      await surefoot.chat(`number ${index}`).then(
        ({ message }) => expect(message.content).toBe(answerTo(`number ${index}`)),
        () => failed++,
      )
    })
    // The 99.9 % quantile of Binomial(1,000, 0.2⁴).
    expect(failed).toBeLessThanOrEqual(7)
  }, 30_000)
})
