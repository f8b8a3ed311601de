import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig, SurefootDeps } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { StandIn, StandInOptions } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, failureOf, pause, read, until } from './setup.ts'

const BIG = 'big'
const SMALL = 'small'
const FALLBACK = 'I cannot answer just now. Please try again in a minute.'

/** One backend for the model that is asked for, one for the model that answers in its place. */
interface House extends AsyncDisposable {
  readonly big: StandIn
  readonly small: StandIn
  readonly surefoot: LocalSurefoot
}

async function build(
  config: SurefootConfig = {},
  options: { readonly big?: StandInOptions; readonly small?: StandInOptions; readonly deps?: SurefootDeps } = {},
): Promise<House> {
  const big = await createStandIn({ answers, models: [{ name: BIG }], ...options.big })
  const small = await createStandIn({ answers, models: [{ name: SMALL }], ...options.small })
  const surefoot = createSurefoot(
    { backends: [big.url, small.url], model: BIG, degradeModels: SMALL, logLevel: 'silent', ...config },
    { env: {}, ...options.deps },
  )
  return {
    big,
    small,
    surefoot,
    async [Symbol.asyncDispose]() {
      await Promise.all([big.close(), small.close()])
      await surefoot.close()
    },
  }
}

async function timed<T>(work: Promise<T>): Promise<readonly [T, number]> {
  const startMs = performance.now()
  return [await work, performance.now() - startMs]
}

describe('a model whose backends are gone', () => {
  it('streamed and buffered: the next model answers at once, and says so', async () => {
    await using house = await build()
    const { big, small, surefoot } = house
    expect(await surefoot.chat('before')).toMatchObject({ served: 'model', model: BIG, backend: big.url })
    await surefoot.chat('before', { model: SMALL })
    await big.fault(faults.refuse())
    for (let call = 0; call < 10; call++) {
      const [answer, tookMs] = await timed(surefoot.chat(`call ${call}`))
      expect(answer).toMatchObject({ served: 'degraded', model: SMALL, backend: small.url, reason: expect.any(String) })
      expect(answer.message.content).toBe(answerTo(`call ${call}`))
      expect(tookMs).toBeLessThan(200)
    }
    const { text, events } = await read(surefoot, 'streamed')
    expect(text).toBe(answerTo('streamed'))
    expect(events.at(-1)).toMatchObject({ type: 'finish', answer: { served: 'degraded', reason: 'BREAKER_OPEN' } })
  })
})
