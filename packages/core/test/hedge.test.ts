import { createSurefoot } from '@surefoot/core'
import type { SurefootConfig } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, read, until } from './setup.ts'

/** Two backends with the model in memory. */
async function startTwo(config: SurefootConfig) {
  const first = await createStandIn({ answers, slots: 2 })
  const second = await createStandIn({ answers, slots: 2 })
  const surefoot = createSurefoot(
    { backends: [first.url, second.url], slots: 2, logLevel: 'silent', ...config },
    { env: {} },
  )
  // Only a backend that has the model in memory is asked beside another one.
  await until(async () => {
    // More than one of the two has slots for.
    await Promise.all(Array.from({ length: 4 }, () => surefoot.chat('warm up')))
    return (await surefoot.backends()).every(({ attempts }) => attempts.succeeded > 0)
  })
  return {
    first,
    second,
    surefoot,
    async [Symbol.asyncDispose]() {
      await first.close()
      await second.close()
      await surefoot.close()
    },
  }
}

describe('a backend that hangs, beside one that answers', () => {
  it('the second attempt answers once, the first one is cancelled and its slot stays taken for a while', async () => {
    // So long the slot stays taken too; less would be over on a busy machine before it is looked at.
    await using two = await startTwo({ hedge: true, hedgeDelayMs: 800 })
    const { first, second, surefoot } = two
    await first.fault(faults.hang())
    await second.fault(faults.hang())
    const reading = read(surefoot, 'hello')
    await until(() => first.counts.openRequests + second.counts.openRequests === 1)
    const hung = first.counts.openRequests === 1 ? first : second
    await (hung === first ? second : first).fault()
    const { events, text } = await reading
    expect(text).toBe(answerTo('hello'))
    const attempts = events.flatMap((event) => (event.type === 'attempt' ? [event] : []))
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(attempts[0]!.backend).toBe(hung.url)
    expect(events.filter(({ type }) => type === 'finish')).toHaveLength(1)
    await until(() => hung.counts.openRequests === 0)
    const states = await surefoot.backends()
    expect(states.map(({ breaker }) => breaker.failures)).toEqual([0, 0])
    expect(states.find(({ url }) => url === hung.url)!.inFlight).toBe(1)
    await until(async () => (await surefoot.backends()).every(({ inFlight }) => inFlight === 0))
  })

  it('without it, the call waits for the one it is on', async () => {
    await using two = await startTwo({ hedgeDelayMs: 100, timeoutMs: 300, maxRetries: 0 })
    await two.first.fault(faults.hang())
    await two.second.fault(faults.hang())
    const { events } = await read(two.surefoot, 'hello')
    expect(events.filter(({ type }) => type === 'attempt')).toHaveLength(1)
  })
})
