import { createSurefoot } from '@surefoot/core'
import type { SurefootConfig } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { Fault, StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, failureOf } from './setup.ts'

/** Backends that all do this, and a Surefoot before them. */
async function startFleet(size: number, fault: Fault | undefined, config: SurefootConfig = {}) {
  const backends: StandIn[] = []
  for (let count = 0; count < size; count++) backends.push(await createStandIn({ answers }))
  const surefoot = createSurefoot(
    { backends: backends.map(({ url }) => url), logLevel: 'silent', retryDelayMs: 5, ...config },
    { env: {} },
  )
  for (const backend of backends) await backend.fault(fault === undefined ? [] : [fault])
  return {
    backends,
    surefoot,
    attempts: async (): Promise<number> =>
      (await surefoot.backends()).reduce((sum, { attempts }) => sum + attempts.failed + attempts.neutral, 0),
    async [Symbol.asyncDispose]() {
      for (const backend of backends) await backend.close()
      await surefoot.close()
    },
  }
}

describe('a prompt that crashes the runner', () => {
  it.each([
    ['with a 500', faults.internal()],
    ['in the middle', faults.errorLine({ afterTokens: 5 })],
  ])('%s is sent to two backends of four, and says what to do', async (_name, fault) => {
    await using fleet = await startFleet(4, fault)
    const error = await failureOf(fleet.surefoot.chat('poison'))
    expect(error).toMatchObject({ code: 'POISONED_REQUEST', group: 'fix', attempts: 2 })
    expect(error.message).toMatch(/^The runner of llama3\.2 crashed on this request at \S+ and at \S+\.$/)
    expect(await fleet.attempts()).toBe(2)
    // The second one is held against nobody.
    const states = await fleet.surefoot.backends()
    expect(states.filter(({ breaker }) => breaker.failures > 0)).toHaveLength(1)
    expect(states.filter(({ attempts }) => attempts.neutral > 0)).toHaveLength(1)
  })

  it('on the only backend is tried as often as anything else', async () => {
    await using fleet = await startFleet(1, faults.internal(), { preset: 'guide', timeoutMs: 10_000 })
    expect(await failureOf(fleet.surefoot.chat('x'))).toMatchObject({ code: 'BACKEND_FAILED', attempts: 4 })
  })

  it('that crashes one runner alone is answered by another', async () => {
    await using fleet = await startFleet(2, undefined)
    await fleet.backends[0]!.fault(faults.internal())
    for (let count = 0; count < 4; count++) {
      expect((await fleet.surefoot.chat(`${count}`)).message.content).toBe(answerTo(`${count}`))
    }
  })

  it.each([
    ['a plain 500', faults.status(500, { message: 'internal error' })],
    ['a 502', faults.badGateway()],
    ['a 503', faults.unavailable()],
    ['a reset', faults.resetBeforeHeaders()],
  ])('is not what %s on every backend shows', async (_name, fault) => {
    await using fleet = await startFleet(3, fault, { preset: 'guide', timeoutMs: 10_000 })
    const error = await failureOf(fleet.surefoot.chat('x'))
    expect(error.code).not.toBe('POISONED_REQUEST')
    expect(error.attempts).toBe(4)
  })
})
