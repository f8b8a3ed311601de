import { createSurefoot } from '@surefoot/core'
import { createVirtualTime, faults } from '@surefoot/testing'
import type { StandIn, StandInModel } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ScriptedOllama, connectTo } from './scripted-ollama.ts'
import { answerTo, failureOf, inParallel, read, startPair, until } from './setup.ts'

const DISTINCT = 2_000
const REQUESTS = 10_000
/** Which question each request asks: all of them five times, in an order that brings the same ones close together. */
const questionOf = (request: number): string => `Question ${(request >> 1) % DISTINCT}?`
const short = ({ prompt }: { readonly prompt: string }): string => `<${prompt}>`
const deterministic = { temperature: 0 }
const slow = { firstTokenMs: 30, tokensPerSecond: 300 }

describe('the same question', () => {
  it(`is generated once: ${REQUESTS} requests, ${DISTINCT} of them distinct, 50 at once`, async () => {
    await using pair = await startPair({ slots: 8, answers: short }, { slots: 8, cache: true, resume: false })
    const { ollama, surefoot } = pair
    let joined = 0
    surefoot.telemetry.on((event) => {
      if (event.type === 'cache' && event.result === 'joined') joined++
    })
    await inParallel(REQUESTS, 50, async (request) => {
      const question = questionOf(request)
      const buffered = request % 3 === 0
      if (buffered) {
        const { message } = await surefoot.chat(question, deterministic)
        if (message.content !== `<${question}>`) throw new Error(`wrong answer: ${message.content}`)
        return
      }
      const { text, failure } = await read(surefoot, question, deterministic)
      if (failure !== undefined || text !== `<${question}>`) throw new Error(`wrong text: ${text}`)
    })
    expect(ollama.counts).toMatchObject({ chats: DISTINCT, answered: DISTINCT })
    expect(surefoot.cache).toMatchObject({ entries: DISTINCT, misses: DISTINCT, joined })
    expect(surefoot.cache!.hits + joined + DISTINCT).toBe(REQUESTS)
    expect(joined).toBeGreaterThan(DISTINCT / 2)
  }, 120_000)

  it('of two tenants is two questions', async () => {
    await using pair = await startPair({}, { cache: true })
    const { ollama, surefoot } = pair
    for (const tenant of ['a', 'b', undefined, 'a', 'b', undefined]) {
      await surefoot.chat('hi', { ...deterministic, tenant })
    }
    expect(ollama.counts.chats).toBe(3)
  })

  it('is another one when the model was pulled anew, also soon after the start', async () => {
    const models = (letter: string): StandInModel[] => [{ name: 'llama3.2', digest: letter.repeat(64) }]
    await using pair = await startPair(
      { models: models('a'), answers: () => 'old', firstTokenMs: 100 },
      { cache: true },
    )
    const { ollama, surefoot } = pair
    await surefoot.chat('hi', deterministic)
    expect((await surefoot.chat('hi', deterministic)).served).toBe('cache')
    ollama.set({ models: models('b'), answers: () => 'new' })
    await surefoot.health({ force: true })
    expect((await surefoot.chat('hi', deterministic)).message.content).toBe('new')
  })

  it('takes no more memory than it may', async () => {
    await using pair = await startPair({ slots: 8, answers: short }, { slots: 8, cache: true, cacheMaxBytes: 50_000 })
    const { surefoot } = pair
    let most = 0
    await inParallel(300, 20, async (request) => {
      await surefoot.chat(`Question ${request}?`, deterministic)
      most = Math.max(most, surefoot.cache!.bytes)
    })
    expect(most).toBeLessThanOrEqual(50_000)
    expect(surefoot.cache!.entries).toBeGreaterThan(50)
  })

  it('is answered from the cache in the form of Ollama, on every surface', async () => {
    await using pair = await startPair({}, { cache: true })
    const body = { messages: [{ role: 'user', content: 'hi' }], options: { temperature: 0 } }
    const first = await pair.surefoot.chat(body)
    const again = await pair.surefoot.chat(body)
    const { id: _id, served: _served, backend: _backend, attempts: _attempts, ...chunk } = first
    expect(again).toMatchObject({ ...chunk, served: 'cache', attempts: 0, cachedAtMs: expect.any(Number) })
    expect(again).not.toHaveProperty('backend')
    const { events } = await read(pair.surefoot, body)
    expect(events.map(({ type }) => type)).toEqual(['delta', 'finish'])
  })

  it('is not looked up where the cache is off, and for calls that are not shared', async () => {
    await using off = await startPair()
    await off.surefoot.chat('hi', { ...deterministic, cache: true })
    await off.surefoot.chat('hi', { ...deterministic, cache: true })
    expect([off.ollama.counts.chats, off.surefoot.cache]).toEqual([2, undefined])
    await using on = await startPair({}, { cache: true })
    for (const cache of [undefined, false]) await on.surefoot.chat('hi', { temperature: 0.7, cache })
    expect([on.ollama.counts.chats, on.surefoot.cache?.entries]).toEqual([2, 0])
  })
})

describe('joiners of a running stream', () => {
  const idle = async (ollama: StandIn): Promise<void> => await until(() => ollama.counts.openRequests === 0)

  it('get the whole text from its start, and are unharmed when the one who began it leaves', async () => {
    await using pair = await startPair(slow, { cache: true })
    const { ollama, surefoot } = pair
    const leader = surefoot.run('hi', deterministic)
    const words: string[] = []
    const left = (async () => {
      for await (const event of leader) {
        if (event.type === 'delta' && words.push(event.text) === 3) break
      }
    })()
    await until(() => words.length > 0)
    const followers = [read(surefoot, 'hi', deterministic), read(surefoot, 'hi', deterministic)]
    await left
    await leader.answer.catch(() => {})
    for (const { text, failure } of await Promise.all(followers)) {
      expect([text, failure]).toEqual([answerTo('hi'), undefined])
    }
    expect(ollama.counts).toMatchObject({ chats: 1, answered: 1, canceled: 0 })
  })

  it('end it when the last of them leaves: the slot is free, and nothing is kept', async () => {
    await using pair = await startPair({ ...slow, tokensPerSecond: 20 }, { cache: true, slots: 1 })
    const { ollama, surefoot } = pair
    const runs = [1, 2, 3].map(() => surefoot.run('hi', deterministic))
    const ended = Promise.allSettled(runs.map(({ answer }) => answer))
    await until(() => ollama.counts.tokens > 2)
    runs[0]!.stop()
    runs[2]!.stop()
    await until(() => ollama.counts.tokens > 5)
    expect(ollama.counts.canceled).toBe(0)
    runs[1]!.stop()
    await ended
    await idle(ollama)
    expect((await surefoot.backends())[0]!.inFlight).toBe(0)
    expect(ollama.counts).toMatchObject({ chats: 1, canceled: 1 })
    expect(surefoot.cache!.entries).toBe(0)
    ollama.set({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY })
    expect((await surefoot.chat('hi', deterministic)).served).toBe('model')
  })

  it('end it when the deadline of the last of them is over', async () => {
    await using pair = await startPair({ ...slow, tokensPerSecond: 2 }, { cache: true })
    const { ollama, surefoot } = pair
    const calls = [700, 1_200].map((deadlineMs) => failureOf(surefoot.chat('hi', { ...deterministic, deadlineMs })))
    for (const { code } of await Promise.all(calls)) expect(code).toBe('DEADLINE_EXCEEDED')
    await idle(ollama)
    expect(ollama.counts).toMatchObject({ chats: 1, canceled: 1 })
  })
})

describe('what is never kept', () => {
  const once = { cache: true, maxRetries: 0, resume: false, retryBudget: 0 } as const

  it.each([
    ['a broken stream', faults.cut({ every: 1, afterTokens: 3 })],
    ['an error in the middle', faults.errorLine({ every: 1, afterTokens: 3 })],
    ['an error', faults.internal({ every: 1 })],
  ] as const)('%s', async (_name, fault) => {
    await using pair = await startPair({}, once)
    const { ollama, surefoot } = pair
    await ollama.fault(fault)
    await read(surefoot, 'hi', { ...deterministic, deadlineMs: 500 })
    expect(surefoot.cache!.entries).toBe(0)
    await ollama.fault()
    const { text, events } = await read(surefoot, 'hi', deterministic)
    expect(text).toBe(answerTo('hi'))
    expect(events.at(-1)).toMatchObject({ answer: { served: 'model' } })
  })

  it('an answer that was cut short', async () => {
    await using pair = await startPair({}, { cache: true })
    const body = { messages: [{ role: 'user', content: 'hi' }], options: { temperature: 0, num_predict: 3 } }
    for (let times = 0; times < 2; times++) {
      expect(await pair.surefoot.chat(body)).toMatchObject({ served: 'model', done_reason: 'length' })
    }
    expect([pair.ollama.counts.chats, pair.surefoot.cache!.entries]).toEqual([2, 0])
  })

  it('the fallback message', async () => {
    const config = { cache: true, fallbackMessage: 'Come back later.', patienceMs: 50, waitForReadyMs: 50 }
    await using pair = await startPair({}, config)
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    expect(await surefoot.chat('hi', deterministic)).toMatchObject({
      served: 'fallback',
      message: { content: 'Come back later.' },
    })
    expect(surefoot.cache!.entries).toBe(0)
    await ollama.fault()
    await until(async () => (await surefoot.chat('hi', deterministic)).served === 'model')
    expect((await surefoot.chat('hi', deterministic)).served).toBe('cache')
  })
})

describe('an older answer, when no model can answer', () => {
  it('is given to the same question, and says why and of when it is', async () => {
    const config = {
      degradeToCache: true,
      cacheTtlMs: 1,
      patienceMs: 50,
      waitForReadyMs: 50,
      fallbackMessage: 'Later.',
    }
    await using pair = await startPair({}, config)
    const { ollama, surefoot } = pair
    await surefoot.chat('hi')
    expect((await surefoot.chat('hi')).served).toBe('model')
    await ollama.fault(faults.refuse())
    const stale = await surefoot.chat('hi')
    expect(stale).toMatchObject({
      served: 'cache',
      message: { content: answerTo('hi') },
      cachedAtMs: expect.any(Number),
    })
    expect(stale.reason).toMatch(/CANNOT_CONNECT|BREAKER_OPEN/)
    expect((await surefoot.chat('something else')).served).toBe('fallback')
    expect((await surefoot.chat('hi', { tenant: 'other' })).served).toBe('fallback')
  })
})

describe('a prompt that is too long', () => {
  const long = { messages: [{ role: 'user', content: 'word '.repeat(1_500) }], options: { temperature: 0 } }
  const five = [true, false, true, false, true]

  it('gets its larger context once, for all who ask', async () => {
    await using pair = await startPair({ contextLength: 512, answers: () => 'Read.' }, { cache: true })
    const { ollama, surefoot } = pair
    const answers = await Promise.all(five.map((buffered) => surefoot.run(long, { buffered }).answer))
    for (const { message } of answers) expect(message.content).toBe('Read.')
    // One that was refused, a load with the larger context, and the answer.
    expect(ollama.counts).toMatchObject({ chats: 3, loads: 1, cutPrompts: 0 })
    expect((await surefoot.chat(long)).served).toBe('cache')
  })

  it('that was cut by an Ollama which cannot refuse it is neither answered nor kept', async () => {
    const settings = { version: '0.12.5', contextLength: 512, answers: () => 'Read.' } as const
    await using pair = await startPair(settings, { cache: true, maxContext: 0 })
    const { surefoot } = pair
    for (let times = 0; times < 2; times++) {
      const runs = five.map((buffered) => surefoot.run(long, { buffered }).answer)
      for (const { code } of await Promise.all(runs.map(failureOf))) expect(code).toBe('CONTEXT_OVERFLOW')
    }
    expect(surefoot.cache).toMatchObject({ entries: 0, hits: 0 })
  })
})

describe('who waits the longest', () => {
  it('decides how long a shared run is retried', async () => {
    const time = createVirtualTime()
    const ollama = new ScriptedOllama(time)
    ollama.mood = 'refusing'
    await using surefoot = createSurefoot(
      { backends: 'http://a:1', cache: true, logLevel: 'silent' },
      { env: {}, runtime: time, connect: connectTo({ 'http://a:1': ollama }) },
    )
    const hasty = failureOf(surefoot.chat('hi', { ...deterministic, deadlineMs: 2_000 }))
    await time.advance(100)
    const patient = surefoot.chat('hi', { ...deterministic, deadlineMs: 60_000 })
    await time.advance(10_000)
    expect((await hasty).code).not.toBe('INTERNAL')
    ollama.mood = 'well'
    await time.advance(10_000)
    expect((await patient).message.content).toBe('0 1 2 ')
  })
})
