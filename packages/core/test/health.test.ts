import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, failureOf, inParallel, pause, startPair, until } from './setup.ts'

const versionReads = (counts: { readonly routes: Readonly<Record<string, number>> }) =>
  counts.routes['/api/version'] ?? 0

describe('health', () => {
  it('says everything apart when all is well', async () => {
    await using pair = await startPair()
    const { url } = pair.ollama
    expect(await pair.surefoot.health()).toMatchObject({
      status: 'up',
      model: 'llama3.2',
      waiting: 0,
      backends: [
        {
          url,
          reachable: true,
          modelInstalled: true,
          modelInMemory: true,
          version: '0.32.15',
          installed: ['llama3.2:latest', 'smollm2:135m'],
          breaker: { state: 'closed', failures: 0 },
        },
      ],
    })
    const [backend] = (await pair.surefoot.health()).backends
    expect(backend!.latencyMs).toBeGreaterThan(0)
    expect(Math.abs(backend!.checkedAtMs - Date.now())).toBeLessThan(5_000)
    expect(backend!.problem).toBeUndefined()
  })

  it('asks the backend once in its time to live, however many ask', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    await inParallel(50, 50, async () => void (await surefoot.health()))
    await surefoot.models()
    for (let ask = 0; ask < 20; ask++) await surefoot.health()
    expect(ollama.counts.routes).toEqual({ '/api/version': 1, '/api/tags': 1, '/api/ps': 1 })
  })

  it('serves what it knows while it finds out anew, once', async () => {
    await using pair = await startPair({}, { healthTtlMs: 100 })
    const { ollama, surefoot } = pair
    await surefoot.health()
    await pause(150)
    ollama.set({ models: [{ name: 'other' }] })
    const stale = await Promise.all(Array.from({ length: 10 }, () => surefoot.health()))
    expect(stale.every(({ status, ageMs }) => status === 'up' && ageMs >= 100)).toBe(true)
    await until(async () => (await surefoot.health()).status === 'down')
    expect(versionReads(ollama.counts)).toBe(2)
  })

  it('force asks the backend, whatever is known', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    await surefoot.health()
    ollama.set({ models: [{ name: 'other' }] })
    expect((await surefoot.health()).status).toBe('up')
    expect(await surefoot.health({ force: true })).toMatchObject({
      status: 'down',
      ageMs: 0,
      backends: [
        {
          reachable: true,
          modelInstalled: false,
          problem: 'Model llama3.2 not found. Run: ollama pull llama3.2',
        },
      ],
    })
  })

  it('force asks the backend also when it has just failed again and again', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    for (let ask = 0; ask < 5; ask++) expect((await surefoot.health({ force: true })).status).toBe('down')
    await ollama.fault()
    expect((await surefoot.health({ force: true })).status).toBe('up')
  })

  it('tells a model on the disk from one in memory', async () => {
    await using pair = await startPair({ loadMs: 20 })
    const { surefoot } = pair
    const before = await surefoot.health()
    expect(before).toMatchObject({
      status: 'up',
      backends: [{ modelInstalled: true, modelInMemory: false, inMemory: [] }],
    })
    await surefoot.chat('hi')
    const after = await surefoot.health({ force: true })
    expect(after.backends[0]).toMatchObject({ modelInMemory: true, inMemory: ['llama3.2:latest'] })
  })

  it('tells a backend that is away, and which of several', async () => {
    await using here = await createStandIn()
    await using away = await createStandIn()
    await away.fault(faults.refuse())
    await using surefoot = createSurefoot({ backends: [here.url, away.url], logLevel: 'silent' }, { env: {} })
    expect(await surefoot.health()).toMatchObject({
      status: 'degraded',
      backends: [
        { url: here.url, reachable: true },
        { url: away.url, reachable: false, problem: expect.stringContaining('Start it with `ollama serve`') as string },
      ],
    })
    await here.fault(faults.refuse())
    expect((await surefoot.health({ force: true })).status).toBe('down')
    await here.fault()
    await away.fault()
    await until(async () => (await surefoot.health({ force: true })).status === 'up')
  })

  it('tells an open breaker of a backend that is reachable', async () => {
    await using pair = await startPair({}, { maxRetries: 0, promptRetry: false, breakerThreshold: 1 })
    await pair.ollama.fault(faults.internal())
    await failureOf(pair.surefoot.chat('hi'))
    expect(await pair.surefoot.health()).toMatchObject({
      status: 'down',
      backends: [{ reachable: true, modelInstalled: true, breaker: { state: 'open', reason: 'BACKEND_FAILED' } }],
    })
  })

  it('tells a list that cannot be read, and something else than Ollama', async () => {
    await using pair = await startPair()
    await pair.ollama.fault(faults.status(200, { body: '<html>It works!</html>', routes: 'all' }))
    expect((await pair.surefoot.health()).backends[0]).toMatchObject({ reachable: false })
    await pair.ollama.fault(faults.status(500, { routes: 'all', times: 0 }))
    expect((await pair.surefoot.health({ force: true })).backends[0]).toMatchObject({ reachable: true })
  })

  it('of a silent backend is known within 4 s, and ends at once with its signal', async () => {
    await using pair = await startPair()
    await pair.ollama.fault(faults.hang({ routes: 'all' }))
    const startMs = performance.now()
    const whole = pair.surefoot.health()
    const reason = new Error('enough')
    const controller = new AbortController()
    const impatient = pair.surefoot.health({ signal: controller.signal })
    const list = pair.surefoot.models({ signal: controller.signal })
    controller.abort(reason)
    expect(await impatient.catch((error: unknown) => error)).toBe(reason)
    expect(await list.catch((error: unknown) => error)).toBe(reason)
    expect(performance.now() - startMs).toBeLessThan(500)
    expect((await whole).backends[0]).toMatchObject({ reachable: false })
    expect(performance.now() - startMs).toBeLessThan(4_000)
  })

  it('of a backend whose calls hang does not wait behind them', async () => {
    await using pair = await startPair({ slots: 20, firstTokenMs: 60_000 }, { slots: 20 })
    const runs = Array.from({ length: 20 }, () => pair.surefoot.run('hi'))
    await until(() => pair.ollama.counts.openRequests === 20)
    const startMs = performance.now()
    expect((await pair.surefoot.health()).backends[0]!.reachable).toBe(true)
    expect(performance.now() - startMs).toBeLessThan(1_000)
    for (const run of runs) run.stop()
  })

  it('of a backend that lists without end is a failure, not a full memory', async () => {
    await using pair = await startPair()
    const body = JSON.stringify({ version: '1', models: [], filler: 'x'.repeat(20_000_000) })
    await pair.ollama.fault(faults.status(200, { body, routes: 'all' }))
    expect((await pair.surefoot.health()).backends[0]).toMatchObject({ reachable: false })
  })
})

describe('models', () => {
  it('lists each model once, with where it is', async () => {
    await using one = await createStandIn({ models: [{ name: 'llama3.2' }, { name: 'a:1b', digest: 'd1' }] })
    await using two = await createStandIn({
      models: [{ name: 'a:1b', digest: 'd2', details: { parent_model: '/x/y' } }],
    })
    await using surefoot = createSurefoot({ backends: [one.url, two.url], logLevel: 'silent' }, { env: {} })
    const models = await surefoot.models()
    expect(models.map(({ name, digests, backends }) => ({ name, digests, backends }))).toEqual([
      { name: 'a:1b', digests: ['d1', 'd2'], backends: [one.url, two.url] },
      { name: 'llama3.2:latest', digests: [expect.any(String)], backends: [one.url] },
    ])
    expect(JSON.stringify(models)).not.toContain('/x/y')
  })

  it('says that it cannot connect when nobody answers', async () => {
    await using pair = await startPair()
    await pair.ollama.fault(faults.refuse())
    expect(await failureOf(pair.surefoot.models())).toMatchObject({
      code: 'CANNOT_CONNECT',
      message: `Cannot connect to Ollama at ${pair.ollama.url}`,
    })
  })
})

describe('a model that is not there', () => {
  it('is refused without a call when the list is known', async () => {
    await using pair = await startPair()
    await pair.surefoot.health()
    const error = await failureOf(pair.surefoot.chat('hi', { model: 'nobody' }))
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', message: 'Model nobody not found. Run: ollama pull nobody' })
    expect(pair.ollama.counts.chats).toBe(0)
  })

  it('is refused by the backend when the list is not known, without a retry and without harm', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    const error = await failureOf(surefoot.chat('hi', { model: 'nobody' }))
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', attempts: 0 })
    expect(ollama.counts.chats).toBe(1)
    expect((await surefoot.chat('hi')).message.content).toBe(answerTo('hi'))
  })

  it('is found when it has been pulled meanwhile', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    await surefoot.health()
    ollama.set({ models: [{ name: 'llama3.2' }, { name: 'newcomer' }] })
    // A list less than a second old is believed.
    await until(
      async () => (await Promise.allSettled([surefoot.chat('hi', { model: 'newcomer' })]))[0]!.status === 'fulfilled',
    )
    expect(ollama.counts.chats).toBe(1)
  })

  it('the default one is found when it has been pulled after it was refused', async () => {
    await using pair = await startPair({ models: [{ name: 'other' }] })
    const { ollama, surefoot } = pair
    expect((await failureOf(surefoot.chat('hi'))).code).toBe('MODEL_NOT_FOUND')
    ollama.set({ models: [{ name: 'llama3.2' }] })
    await surefoot.health({ force: true })
    expect((await surefoot.chat('hi')).message.content).toBe(answerTo('hi'))
  })

  it('on one backend is asked for on the other', async () => {
    await using without = await createStandIn({ models: [{ name: 'other' }] })
    await using pair = await startPair()
    await using both = await startPair({}, { backends: [without.url, pair.ollama.url] })
    for (let call = 0; call < 6; call++) expect((await both.surefoot.chat('hi')).backend).toBe(pair.ollama.url)
    expect(without.counts.chats).toBeLessThanOrEqual(1)
  })

  it('has one name with and without :latest', async () => {
    await using pair = await startPair()
    await pair.surefoot.health()
    expect((await pair.surefoot.chat('hi', { model: 'llama3.2:latest' })).message.content).toBe(answerTo('hi'))
    expect((await pair.surefoot.chat('hi', { model: 'llama3.2' })).message.content).toBe(answerTo('hi'))
  })
})
