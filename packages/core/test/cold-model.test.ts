import { createSeededRandom, createStandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, inParallel, pause, read, startPair, until } from './setup.ts'

const reason = new Error('I have seen enough')

describe('a model that is not in memory', () => {
  for (const version of ['0.32.15', '0.24.0'] as const) {
    it(`20 callers, half of them leave: one load, not aborted, all who stayed are answered (${version})`, async () => {
      await using pair = await startPair({ version, loadMs: 400, slots: 4 }, { slots: 4 })
      const { ollama, surefoot } = pair
      const controllers = Array.from({ length: 20 }, () => new AbortController())
      const runs = controllers.map(({ signal }, n) => read(surefoot, `number ${n}`, { signal }))
      await until(() => ollama.counts.loads === 1)
      await pause(50)
      for (const [n, controller] of controllers.entries()) if (n % 2 === 0) controller.abort(reason)
      for (const [n, { text, failure, events }] of (await Promise.all(runs)).entries()) {
        expect(events).toContainEqual({ type: 'loading', model: 'llama3.2', backend: ollama.url })
        if (n % 2 === 0) expect(failure).toBe(reason)
        else expect([text, failure]).toEqual([answerTo(`number ${n}`), undefined])
      }
      expect(ollama.counts).toMatchObject({ loads: 1, abortedLoads: 0, canceled: 0, wastedTokens: 0 })
    })
  }

  it('goes on loading when all callers leave; who comes later joins, and is told how long it takes', async () => {
    await using pair = await startPair({ loadMs: 300, keepAliveMs: 100 })
    const { ollama, surefoot } = pair
    const controller = new AbortController()
    const left = surefoot.chat('first', { signal: controller.signal }).catch((error: unknown) => error)
    await until(() => ollama.counts.loads === 1)
    controller.abort(reason)
    expect(await left).toBe(reason)
    expect((await read(surefoot, 'second')).text).toBe(answerTo('second'))
    expect(ollama.counts).toMatchObject({ loads: 1, abortedLoads: 0 })
    // It has left memory in the meantime, and this is noticed.
    await pause(150)
    await surefoot.health({ force: true })
    const { events } = await read(surefoot, 'third')
    const loading = events.find((event) => event.type === 'loading')
    expect(loading?.expectedMs).toBeGreaterThan(200)
    expect(loading?.expectedMs).toBeLessThan(2_000)
    expect(ollama.counts).toMatchObject({ loads: 2, abortedLoads: 0 })
  })

  it('goes to the backend that has it in memory', async () => {
    await using cold = await createStandIn({ loadMs: 60_000 })
    await using warm = await createStandIn({})
    await using both = await startPair({}, { backends: [cold.url, warm.url] })
    for (let call = 0; call < 3; call++) expect((await both.surefoot.chat(`${call}`)).backend).toBe(warm.url)
    expect(cold.counts.loads).toBe(0)
  })

  it('after a restart of its backend it is loaded before it is asked', async () => {
    await using pair = await startPair({ loadMs: 200 })
    const { ollama, surefoot } = pair
    await surefoot.chat('one')
    await ollama.restart({ downMs: 50 })
    const { text, events } = await read(surefoot, 'two')
    expect(text).toBe(answerTo('two'))
    expect(ollama.counts).toMatchObject({ loads: 2, abortedLoads: 0 })
    expect(events.filter(({ type }) => type === 'finish')).toHaveLength(1)
  })
})

describe('callers who name different options', () => {
  it('do not make Ollama reload in turns: 1,000 calls, one load for each time the context grows', async () => {
    await using pair = await startPair({ loadMs: 5, slots: 4 }, { slots: 4 })
    const { ollama, surefoot } = pair
    const random = createSeededRandom(7)
    const any = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
    await inParallel(1_000, 10, async (n) => {
      const num_ctx = any([undefined, 2_048, 4_096, 8_192, 16_384])
      const num_thread = any([undefined, 1, 2, 4])
      const options = {
        ...(num_ctx !== undefined && { num_ctx }),
        ...(num_thread !== undefined && { num_thread }),
        temperature: 0,
      }
      const messages = [{ role: 'user', content: `${n}` }]
      expect((await surefoot.chat({ messages, options })).message.content).toBe(answerTo(`${n}`))
    })
    // The first one, one for the first num_thread, and at most one for each larger context.
    expect(ollama.counts.loads).toBeLessThanOrEqual(6)
    expect(ollama.counts).toMatchObject({ abortedLoads: 0, answered: expect.any(Number) })
  })
})
