import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, inParallel, read, until } from './setup.ts'

interface Three extends AsyncDisposable {
  readonly bad: StandIn
  readonly surefoot: LocalSurefoot
}

/** Three backends that have answered once each, the second of which is about to go bad. */
async function startThree(config: SurefootConfig = {}): Promise<Three> {
  const parts = new AsyncDisposableStack()
  const start = async () => parts.use(await createStandIn({ answers, slots: 2, firstTokenMs: 2 }))
  const three = [await start(), await start(), await start()] as const
  const backends = three.map(({ url }) => url)
  const surefoot = parts.use(createSurefoot({ backends, slots: 2, logLevel: 'silent', ...config }, { env: {} }))
  await Promise.all(backends.map((url) => surefoot.chat(`hello, ${url}`)))
  return { bad: three[1], surefoot, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Requests of calls that a backend was given; one-token looks after it and proofs are left out. */
function callsAt({ log }: StandIn): number {
  return log.filter(({ body }) => JSON.stringify(body ?? '').includes('number ')).length
}

async function askAll(surefoot: LocalSurefoot, total: number, width: number): Promise<void> {
  await inParallel(total, width, async (index) => {
    const { message } = await surefoot.chat(`number ${index}`)
    expect(message.content).toBe(answerTo(`number ${index}`))
  })
}

describe('one of three backends', () => {
  it('fails everything within 5 ms and so looks free and fast: at most 5 attempts, then one a probe period', async () => {
    const periodMs = 500
    await using three = await startThree({ breakerOpenMs: periodMs })
    const { bad, surefoot } = three
    await bad.fault(faults.status(500, { message: 'internal error' }))
    const sinceMs = performance.now()
    await askAll(surefoot, 600, 4)
    expect(callsAt(bad)).toBeLessThanOrEqual(5 + Math.floor((performance.now() - sinceMs) / periodMs))
    expect(callsAt(bad)).toBeGreaterThan(0)
    await until(async () => {
      await askAll(surefoot, 10, 4)
      return performance.now() - sinceMs > 4 * periodMs
    })
    expect(callsAt(bad)).toBeLessThanOrEqual(5 + Math.floor((performance.now() - sinceMs) / periodMs))
  })

  it('hangs while its health answers: every call is answered, and at most 5 wait for it', async () => {
    await using three = await startThree({ timeoutMs: 400 })
    const { bad, surefoot } = three
    await bad.fault(faults.hang())
    await askAll(surefoot, 500, 4)
    expect(callsAt(bad)).toBeGreaterThan(0)
    expect(callsAt(bad)).toBeLessThanOrEqual(5)
  })
})

describe('the only backend', () => {
  it('refuses on the flip of a coin: 300 of 300 are answered', async () => {
    await using ollama = await createStandIn({ answers, seed: 7 })
    await using surefoot = createSurefoot(
      { backends: ollama.url, slots: 1, retryDelayMs: 5, logLevel: 'silent' },
      { env: {} },
    )
    await surefoot.chat('hello')
    await ollama.fault(faults.refuse({ probability: 0.5, forMs: 1 }))
    let attempts = 0
    await inParallel(300, 2, async (index) => {
      const answer = await surefoot.chat(`number ${index}`)
      expect(answer.message.content).toBe(answerTo(`number ${index}`))
      attempts += answer.attempts
    })
    expect(attempts).toBeGreaterThan(360)
  })

  it('cuts 30 % of its streams half-way: at least 999 of 1,000 are whole, no text is wrong', async () => {
    await using ollama = await createStandIn({ answers, slots: 4, seed: 11 })
    await using surefoot = createSurefoot(
      { backends: ollama.url, slots: 4, retryDelayMs: 5, retryBudget: 0, logLevel: 'silent' },
      { env: {} },
    )
    await surefoot.chat('hello')
    await ollama.fault(faults.cut({ probability: 0.3, afterTokens: 10 }))
    let [whole, resumed, wrong] = [0, 0, 0]
    await inParallel(1_000, 4, async (index) => {
      const { text, failure, events } = await read(surefoot, `number ${index}`)
      if (failure === undefined && text === answerTo(`number ${index}`)) whole++
      if (!answerTo(`number ${index}`).startsWith(text)) wrong++
      resumed += events.filter(({ type }) => type === 'resumed').length
    })
    expect(wrong).toBe(0)
    expect(whole).toBeGreaterThanOrEqual(999)
    expect(resumed).toBeGreaterThan(200)
  })
})
