import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig } from '@surefoot/core'
import { createVirtualTime } from '@surefoot/testing'
import type { VirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ScriptedOllama, connectTo } from './scripted-ollama.ts'

const A = 'http://a:1'
const B = 'http://b:1'

interface Rig {
  readonly time: VirtualTime
  readonly a: ScriptedOllama
  readonly b: ScriptedOllama
  readonly surefoot: LocalSurefoot
  stateOf(url: string): Promise<string | undefined>
}

/** Two backends, both with the model in memory and known to be well. */
async function startTwo(given: SurefootConfig = {}): Promise<Rig> {
  const time = createVirtualTime()
  const a = new ScriptedOllama(time)
  const b = new ScriptedOllama(time)
  for (const ollama of [a, b]) ollama.inMemory.add('llama3.2')
  const surefoot = createSurefoot(
    { backends: [A, B], slots: 1, logLevel: 'silent', ...given },
    { runtime: time, env: {}, connect: connectTo({ [A]: a, [B]: b }) },
  )
  const warm = Promise.all([surefoot.chat('one'), surefoot.chat('two')])
  await time.advance(5_000)
  await warm
  const stateOf = async (url: string): Promise<string | undefined> =>
    (await surefoot.backends()).find((backend) => backend.url === url)?.state.name
  return { time, a, b, surefoot, stateOf }
}

describe('a backend that answers 200 on every health route and produces no token', () => {
  it('is out within 90 s, its calls are answered by the other one, and it is back with its first token', async () => {
    const { time, a, surefoot, stateOf } = await startTwo()
    const startMs = time.clock.monotonicMs()
    a.mood = 'wedged'
    let asked = 0
    let answered = 0
    let longestMs = 0
    const failures: unknown[] = []
    const call = async (): Promise<void> => {
      const sinceMs = time.clock.monotonicMs()
      asked++
      await surefoot.chat(`number ${asked}`).then(
        () => answered++,
        (error: unknown) => failures.push(error),
      )
      longestMs = Math.max(longestMs, time.clock.monotonicMs() - sinceMs)
    }
    let outAfterMs = Number.POSITIVE_INFINITY
    for (let second = 0; second < 600; second++) {
      void call()
      await time.advance(1_000)
      if ((await stateOf(A)) === 'wedged') outAfterMs = Math.min(outAfterMs, time.clock.monotonicMs() - startMs)
    }
    expect(outAfterMs).toBeLessThan(90_000)
    const chats = a.chats
    await time.advance(120_000)
    expect([failures, answered]).toEqual([[], asked])
    // One attempt waited for it, and was given up when it was found out.
    expect(chats).toBeLessThanOrEqual(2)
    expect(longestMs).toBeLessThan(90_000)
    a.mood = 'well'
    await time.advance(90_000)
    expect(await stateOf(A)).toBe('up')
    const pair = Promise.all([surefoot.chat('again'), surefoot.chat('and again')])
    await time.advance(5_000)
    expect(new Set((await pair).map(({ backend }) => backend))).toEqual(new Set([A, B]))
    await surefoot.close()
    expect(time.pendingTimers).toBe(0)
  })

  it('when there is no other, an attempt is left to end by itself', async () => {
    const { time, a, surefoot, stateOf } = await startTwo({ backends: [A], maxRetries: 0, promptRetry: false })
    a.mood = 'wedged'
    const failure = surefoot.chat('hi').catch((error: unknown) => error)
    await time.advance(55_000)
    expect(await stateOf(A)).toBe('wedged')
    await time.advance(10_000)
    expect(await failure).toMatchObject({ code: 'RESPONSE_TIMEOUT' })
    await surefoot.close()
    expect(time.pendingTimers).toBe(0)
  })
})

describe('what backends() tells', () => {
  it('the state in one word, since when and why, and whether it is drained', async () => {
    const { time, surefoot } = await startTwo()
    const run = surefoot.chat('hi')
    await time.advance(150)
    const [busy, idle] = (await surefoot.backends()).toSorted((x, y) => y.inFlight - x.inFlight)
    expect(busy).toMatchObject({ state: { name: 'busy' }, draining: false, inFlight: 1 })
    expect(idle).toMatchObject({ state: { name: 'up' } })
    expect(idle!.state.sinceAtMs).toBeLessThan(time.clock.nowMs())
    surefoot.drain(A)
    expect((await surefoot.backends()).find(({ url }) => url === A)).toMatchObject({ draining: true })
    await time.advance(5_000)
    await run
    await surefoot.close()
    expect(time.pendingTimers).toBe(0)
  })
})
