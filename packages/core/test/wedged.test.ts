import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, Runtime, SurefootConfig } from '@surefoot/core'
import { createVirtualTime, faults } from '@surefoot/testing'
import type { VirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { systemRuntime } from '../src/runtime/system.ts'
import { ScriptedOllama, connectTo } from './scripted-ollama.ts'
import { answerTo, startPair, until } from './setup.ts'

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
    const told: string[] = []
    surefoot.telemetry.on((event) => {
      if (event.type === 'backend-out') told.push(`${event.backend} ${event.state}`)
      if (event.type === 'backend-back') told.push(`${event.backend} back`)
    })
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
    expect(told).toEqual([`${A} wedged`, `${A} back`])
    const pair = Promise.all([surefoot.chat('again'), surefoot.chat('and again')])
    await time.advance(5_000)
    expect(new Set((await pair).map(({ backend }) => backend))).toEqual(new Set([A, B]))
    await surefoot.close()
    expect(time.pendingTimers).toBe(0)
  })

  it('that wedges before it has the model: its load keeps nobody waiting for more than a minute', async () => {
    const time = createVirtualTime()
    const a = new ScriptedOllama(time)
    const b = new ScriptedOllama(time)
    a.mood = 'wedged'
    const surefoot = createSurefoot(
      { backends: [A, B], logLevel: 'silent' },
      { runtime: time, env: {}, connect: connectTo({ [A]: a, [B]: b }) },
    )
    const calls = Promise.all([surefoot.chat('one'), surefoot.chat('two')])
    await time.advance(65_000)
    expect((await calls).map(({ backend }) => backend)).toEqual([B, B])
    expect([a.loads, b.loads]).toEqual([1, 1])
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

describe('over real sockets, in a time that runs 20 times as fast', () => {
  it('a wedged backend is out within 90 s, and every caller is answered by the other one', async () => {
    const FACTOR = 20
    const runtime: Runtime = {
      ...systemRuntime,
      clock: { nowMs: systemRuntime.clock.nowMs, monotonicMs: () => systemRuntime.clock.monotonicMs() * FACTOR },
      timers: { set: (delayMs, fire, kind) => systemRuntime.timers.set(delayMs / FACTOR, fire, kind) },
    }
    await using other = await startPair()
    await using pair = await startPair()
    const deps = { runtime }
    const backends = [pair.ollama.url, other.ollama.url]
    await using both = await startPair({}, { backends, slots: 1, connectTimeoutMs: 60_000 }, deps)
    const { surefoot } = both
    await Promise.all([surefoot.chat('one'), surefoot.chat('two')])
    await pair.ollama.fault(faults.hang())
    const sinceMs = runtime.clock.monotonicMs()
    const state = async (): Promise<string | undefined> =>
      (await surefoot.backends()).find(({ url }) => url === pair.ollama.url)?.state.name
    let outAfterMs = Number.POSITIVE_INFINITY
    let asked = 0
    const answers: Promise<string>[] = []
    await until(async () => {
      if (answers.length < 400) answers.push(surefoot.chat(`${asked++}`).then(({ message }) => message.content))
      if ((await state()) === 'wedged') outAfterMs = Math.min(outAfterMs, runtime.clock.monotonicMs() - sinceMs)
      return outAfterMs < Number.POSITIVE_INFINITY
    }, 20_000)
    expect(outAfterMs).toBeLessThan(90_000)
    expect((await Promise.all(answers)).map((text, n) => text === answerTo(`${n}`))).not.toContain(false)
    // The canary is silent too; a token brings it back.
    await pair.ollama.fault()
    await until(async () => (await state()) !== 'wedged', 20_000)
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
