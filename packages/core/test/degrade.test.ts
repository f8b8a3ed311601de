import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createSurefoot } from '@surefoot/core'
import type { EmbeddedEngine, LocalSurefoot, SurefootConfig, SurefootDeps } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { StandIn, StandInOptions } from '@surefoot/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runScript } from './script.ts'
import { answerTo, answers, failureOf, pause, read, until } from './setup.ts'

const BIG = 'big'
const SMALL = 'small'
const MESSAGE = 'I cannot answer just now. Please try again in a minute.'
const FALLBACK = { fallbackMessage: MESSAGE }
const TINY_TEXT = 'I am tiny, but I am here.'

let folder: string
let gguf: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'surefoot-degrade-'))
  gguf = join(folder, 'tiny.gguf')
  // A header: version 3, no tensors, no entries.
  writeFileSync(gguf, Buffer.from('474755460300000000000000000000000000000000000000', 'hex'))
})
afterAll(() => rmSync(folder, { recursive: true }))

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

/** Calls until nothing more is learnt of a backend that is away: its breaker is open. */
async function untilOpen({ surefoot }: House, url: string): Promise<void> {
  await until(async () => {
    await surefoot.chat('open it')
    return (await surefoot.backends()).find((backend) => backend.url === url)?.breaker.state === 'open'
  })
}

async function nothingIsHeld({ surefoot, big, small }: House): Promise<void> {
  await until(async () => (await surefoot.backends()).every(({ inFlight }) => inFlight === 0))
  await until(() => big.counts.openRequests + small.counts.openRequests === 0)
  expect((await surefoot.health()).waiting).toBe(0)
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
      expect(tookMs).toBeLessThan(500)
    }
    const { text, events } = await read(surefoot, 'streamed')
    expect(text).toBe(answerTo('streamed'))
    expect(events.at(-1)).toMatchObject({ type: 'finish', answer: { served: 'degraded', reason: 'BREAKER_OPEN' } })
    await nothingIsHeld(house)
  })

  it('a rung that is known to be down costs no time', async () => {
    await using house = await build()
    await house.surefoot.chat('before', { model: SMALL })
    await house.big.fault(faults.refuse())
    await untilOpen(house, house.big.url)
    const times: number[] = []
    for (let call = 0; call < 20; call++) times.push((await timed(house.surefoot.chat(`${call}`)))[1])
    times.sort((a, b) => a - b)
    expect(times[10]).toBeLessThan(100)
  })

  it('is asked again within 2 s of its return', async () => {
    await using house = await build()
    const { big, surefoot } = house
    await surefoot.chat('before')
    await big.fault(faults.refuse())
    await untilOpen(house, big.url)
    await pause(300)
    await big.fault()
    const backAtMs = performance.now()
    await until(async () => (await surefoot.chat('are you back?')).served === 'model')
    expect(performance.now() - backAtMs).toBeLessThan(2_000)
  })
})

describe('when no backend is left', () => {
  const gone = async ({ big, small }: House): Promise<void> => {
    await Promise.all([big.fault(faults.refuse()), small.fault(faults.refuse())])
  }
  const tiny = (): EmbeddedEngine => ({
    async generate({ onText }) {
      for (const word of TINY_TEXT.split(/(?<= )/)) onText(word)
      return { promptTokens: 9, answerTokens: 7, isCut: false }
    },
    close: async () => {},
  })

  it('an older answer, then the model in this process, then the message, then the error; each labelled', async () => {
    const config = { degradeToCache: true, cacheTtlMs: 1, waitForReadyMs: 200, ...FALLBACK }
    await using house = await build({ ...config, localModel: gguf }, { deps: { loadEmbedded: async () => tiny() } })
    await using poor = await build(config)
    await using bare = await build({ waitForReadyMs: 200 })
    const known = await house.surefoot.chat('known', { temperature: 0 })
    expect(known.served).toBe('model')
    for (const each of [house, poor, bare]) await gone(each)
    const reason = expect.stringMatching(/BREAKER_OPEN|CANNOT_CONNECT/)
    expect(await house.surefoot.chat('known', { temperature: 0 })).toMatchObject({
      served: 'cache',
      reason,
      model: BIG,
      cachedAtMs: expect.any(Number),
      message: known.message,
    })
    expect(await house.surefoot.chat('unknown')).toMatchObject({
      served: 'degraded',
      reason,
      model: 'tiny',
      message: { content: TINY_TEXT },
      eval_count: 7,
    })
    expect(await poor.surefoot.chat('unknown')).toMatchObject({
      served: 'fallback',
      reason,
      message: { content: MESSAGE },
    })
    const streamed = await read(poor.surefoot, 'streamed')
    expect(streamed.text).toBe(MESSAGE)
    expect(streamed.events.at(-1)).toMatchObject({ type: 'finish', answer: { served: 'fallback', reason } })
    expect(await failureOf(bare.surefoot.chat('unknown'))).toMatchObject({ code: reason, attempts: expect.any(Number) })
    for (const each of [house, poor, bare]) await nothingIsHeld(each)
  })

  it('who waits for the last model goes back to the first one as soon as both are back', async () => {
    const both = { models: [{ name: BIG }, { name: SMALL }] }
    await using house = await build(FALLBACK, { big: both, small: both })
    const { big, small, surefoot } = house
    await surefoot.chat('before')
    await gone(house)
    const opening = Array.from({ length: 12 }, (_, n) => surefoot.chat(`opens ${n}`))
    await until(async () => (await surefoot.backends()).every(({ breaker }) => breaker.state === 'open'))
    const calls = Array.from({ length: 12 }, (_, n) => surefoot.chat(`${n}`))
    await until(async () => (await surefoot.health()).waiting >= 12)
    await Promise.all([big.fault(), small.fault()])
    const [all, tookMs] = await timed(Promise.all(calls))
    expect(tookMs).toBeLessThan(2_000)
    expect(new Set(all.map(({ served }) => served))).toEqual(new Set(['model']))
    expect(all.map(({ message }) => message.content)).toEqual(all.map((_, n) => answerTo(`${n}`)))
    await Promise.all(opening)
  })

  it('a deadline that is nearer than the wait for ready does not come before the message', async () => {
    await using house = await build({ waitForReadyMs: 30_000, ...FALLBACK })
    await gone(house)
    const [answer, tookMs] = await timed(house.surefoot.chat('now', { deadlineMs: 1_500 }))
    expect(answer.served).toBe('fallback')
    expect(tookMs).toBeLessThan(1_500)
  })

  it('without a package for it a model in this process is refused at start, with the command', () => {
    expect(() => createSurefoot({ localModel: gguf }, { env: {} })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', hint: 'Run: npm install node-llama-cpp' }),
    )
  })
})

describe('a model that is busy', () => {
  it('is left at once when the wait is expected to be longer than the patience', async () => {
    await using house = await build({ slots: 1, patienceMs: 600 }, { big: { slots: 1, tokensPerSecond: 20 } })
    const { big, surefoot } = house
    await surefoot.chat('how long does it take?')
    await surefoot.chat('be in memory', { model: SMALL })
    const busy = read(surefoot, 'busy')
    await until(() => big.counts.openRequests === 1)
    const all = await Promise.all(Array.from({ length: 3 }, (_, n) => timed(surefoot.chat(`${n}`))))
    for (const [answer, tookMs] of all) {
      expect(answer).toMatchObject({ served: 'degraded', reason: 'QUEUE_TIMEOUT', model: SMALL })
      expect(tookMs).toBeLessThan(600)
    }
    expect((await busy).failure).toBeUndefined()
  })

  it('is left when its patience is over, where nothing was known of the wait', async () => {
    await using house = await build({ slots: 1, patienceMs: 150 }, { big: { slots: 1, tokensPerSecond: 20 } })
    const busy = read(house.surefoot, 'busy')
    await until(() => house.big.counts.openRequests === 1)
    const [answer, tookMs] = await timed(house.surefoot.chat('me too'))
    expect(answer).toMatchObject({ served: 'degraded', reason: 'QUEUE_TIMEOUT' })
    expect(tookMs).toBeGreaterThan(140)
    await busy
  })
})

describe('an answer that has begun', () => {
  it('streamed: is never begun anew by another model', async () => {
    await using house = await build({ resume: false, ...FALLBACK })
    await house.big.fault(faults.errorLine({ afterTokens: 3 }))
    const { failure, text } = await read(house.surefoot, 'hello')
    expect(failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: text })
    expect(answerTo('hello').startsWith(text)).toBe(true)
  })

  it('buffered: another model answers when it breaks again and again', async () => {
    await using house = await build({ maxRetries: 1, retryDelayMs: 10 })
    await house.big.fault(faults.errorLine({ afterTokens: 3 }))
    expect(await house.surefoot.chat('hello')).toMatchObject({
      served: 'degraded',
      reason: 'STREAM_INTERRUPTED',
      model: SMALL,
      attempts: 3,
      message: { content: answerTo('hello') },
    })
  })
})

describe('what a call needs', () => {
  const image = { messages: [{ role: 'user', content: 'What is this?', images: ['aGVsbG8='] }] }

  it('an image never goes to a model that drops it', async () => {
    const sees = { models: [{ name: BIG, capabilities: ['completion', 'vision'] }] }
    await using house = await build({ waitForReadyMs: 0, ...FALLBACK }, { big: sees })
    await house.surefoot.chat(image)
    await house.big.fault(faults.refuse())
    expect((await house.surefoot.chat(image)).served).toBe('fallback')
    expect(house.small.counts.chats).toBe(0)
    expect((await house.surefoot.chat('only words')).served).toBe('degraded')
  })

  it('but to one that is known to see', async () => {
    const sees = (name: string) => ({ models: [{ name, capabilities: ['completion', 'vision'] }] })
    await using house = await build({}, { big: sees(BIG), small: sees(SMALL) })
    await house.surefoot.chat(image)
    await house.big.fault(faults.refuse())
    expect((await house.surefoot.chat(image)).model).toBe(SMALL)
  })
})

describe('a caller who leaves', () => {
  const reason = new Error('enough')
  /** Leaves as soon as that is so. */
  const leave = async (house: House, isThere: () => boolean | Promise<boolean>): Promise<unknown> => {
    const controller = new AbortController()
    const ended = house.surefoot.chat('x', { signal: controller.signal }).catch((error: unknown) => error)
    await until(isThere)
    controller.abort(reason)
    return await ended
  }
  const isWaiting =
    ({ surefoot }: House) =>
    async () =>
      (await surefoot.health()).waiting === 1
  const slow = { slots: 1, tokensPerSecond: 5 }

  it('in the queue of the first model', async () => {
    await using house = await build({ slots: 1 }, { big: slow })
    const busy = house.surefoot.run('busy')
    await until(() => house.big.counts.openRequests === 1)
    expect(await leave(house, isWaiting(house))).toBe(reason)
    busy.stop()
    await busy.answer.catch(() => {})
    await nothingIsHeld(house)
  })

  it('while the second model answers', async () => {
    await using house = await build({}, { small: slow })
    await house.big.fault(faults.refuse())
    expect(await leave(house, () => house.small.counts.tokens > 0)).toBe(reason)
    await nothingIsHeld(house)
  })

  it('while it waits for the last one', async () => {
    await using house = await build(FALLBACK)
    await Promise.all([house.big.fault(faults.refuse()), house.small.fault(faults.refuse())])
    const opening = Array.from({ length: 12 }, (_, n) => house.surefoot.chat(`opens ${n}`, { deadlineMs: 2_000 }))
    await until(async () => (await house.surefoot.backends()).every(({ breaker }) => breaker.state === 'open'))
    expect((await Promise.all(opening)).map(({ served }) => served)).toEqual(opening.map(() => 'fallback'))
    expect(await leave(house, isWaiting(house))).toBe(reason)
    await nothingIsHeld(house)
  })

  it('while the model in this process answers', async () => {
    const counts = { begun: 0, aborted: 0 }
    const endless: EmbeddedEngine = {
      generate: ({ signal }) =>
        new Promise((_resolve, reject) => {
          counts.begun++
          signal.addEventListener('abort', () => {
            counts.aborted++
            reject(signal.reason as Error)
          })
        }),
      close: async () => {},
    }
    await using house = await build(
      { waitForReadyMs: 0, localModel: gguf, ...FALLBACK },
      { deps: { loadEmbedded: async () => endless } },
    )
    await Promise.all([house.big.fault(faults.refuse()), house.small.fault(faults.refuse())])
    expect(await leave(house, () => counts.begun === 1)).toBe(reason)
    expect(counts.aborted).toBe(1)
    await nothingIsHeld(house)
  })
})

it('after close() nothing of it is left', async () => {
  await using house = await build()
  await Promise.all([house.big.fault(faults.refuse()), house.small.fault(faults.refuse())])
  const { lines } = await runScript(
    house.big.url,
    `
    const image = { messages: [{ role: 'user', content: 'x', images: ['aGk='] }] }
    const calls = Array.from({ length: 8 }, (_, n) => surefoot.chat(n % 2 === 0 ? image : String(n), { deadlineMs: 2500 + 100 * n }))
    console.log([...new Set((await Promise.all(calls)).map(({ served }) => served))].join())
    await surefoot.close()
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify(process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate|DNS/.test(name))))`,
    { degradeModels: `${SMALL},other`, fallbackMessage: MESSAGE },
  )
  expect(lines).toEqual(['fallback', '[]'])
})
