import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig, TelemetryEvent } from '@surefoot/core'
import { createClient } from 'redis'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { startRedis } from './redis-server.ts'
import type { RedisServer } from './redis-server.ts'
import { runScript } from './script.ts'
import { inParallel, read, startPair, until } from './setup.ts'
import type { Pair } from './setup.ts'

const short = ({ prompt }: { readonly prompt: string }): string => `<${prompt}>`
const deterministic = { temperature: 0 }

let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis()
})

afterAll(async () => {
  await redis?.[Symbol.asyncDispose]()
})

/** A client of the test's own. */
async function createOwnClient() {
  const client = createClient({ url: redis.url })
  // Some tests end its Redis.
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.destroy())
  return client
}

/** One Ollama, and so many processes' worth of Surefoots before it that share a Redis. */
async function startShared(
  count: number,
  config: SurefootConfig = {},
): Promise<Pair & { readonly all: readonly LocalSurefoot[]; readonly told: TelemetryEvent[] }> {
  const settings = { slots: 8, cache: true, redisUrl: redis.url, ...config }
  const pair = await startPair({ slots: 8, answers: short }, settings)
  const more = Array.from({ length: count - 1 }, () =>
    createSurefoot({ backends: pair.ollama.url, logLevel: 'silent', ...settings }, { env: {} }),
  )
  const told: TelemetryEvent[] = []
  const all = [pair.surefoot, ...more]
  for (const { telemetry } of all) telemetry.on((event) => told.push(event))
  return {
    ...pair,
    all,
    told,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]()
      for (const surefoot of more) await surefoot.close()
    },
  }
}

/** Waits until what was written is there. */
const written = async (client: Awaited<ReturnType<typeof createOwnClient>>, count: number): Promise<string[]> => {
  await until(async () => (await client.keys('*')).length >= count)
  return await client.keys('*')
}

beforeEach(async () => {
  const client = await createOwnClient()
  await client.flushAll()
})

describe('several processes with one Redis', () => {
  it('answer the same question once: 10,000 requests, 2,000 of them distinct, 50 at once', async () => {
    // Without resume nobody but the askers makes the backend generate: no trial of whether it can go on.
    await using shared = await startShared(1, { resume: false })
    const { ollama, surefoot, told } = shared
    const ask = async (whom: LocalSurefoot, request: number): Promise<void> => {
      const question = `Question ${(request >> 1) % 2_000}?`
      const { text, failure } = await read(whom, question, deterministic)
      if (failure !== undefined || text !== `<${question}>`) throw new Error(`wrong text: ${text}`)
    }
    await inParallel(10_000, 50, (request) => ask(surefoot, request))
    expect(ollama.counts).toMatchObject({ chats: 2_000, answered: 2_000 })

    // Another one, that has nothing in its memory.
    await using other = createSurefoot(
      { backends: ollama.url, logLevel: 'silent', cache: true, redisUrl: redis.url, resume: false },
      { env: {} },
    )
    other.telemetry.on((event) => told.push(event))
    await inParallel(4_000, 50, (request) => ask(other, request))
    const { misses } = other.cache!
    expect(ollama.counts.chats).toBe(2_000 + misses)
    // On a machine that is very busy it may have been too slow for a while, and was left alone.
    if (!told.some(({ type }) => type === 'cache-store-out')) expect(misses).toBe(0)
  }, 120_000)

  it('give each other their answers, tell where they found them, and write no word of a question into a key', async () => {
    await using shared = await startShared(2, { cacheTtlMs: 60_000 })
    const { ollama, all, told } = shared
    const client = await createOwnClient()
    await all[0]!.chat('What is a secret?', deterministic)
    const keys = await written(client, 1)
    expect(keys).toEqual([expect.stringMatching(/^surefoot:answer:1:[\w-]{43}$/)])
    const leftMs = await client.pTTL(keys[0]!)
    expect(leftMs).toBeGreaterThan(50_000)
    expect(leftMs).toBeLessThanOrEqual(60_000)
    const answer = await all[1]!.chat('What is a secret?', deterministic)
    expect(answer).toMatchObject({ served: 'cache', attempts: 0, message: { content: '<What is a secret?>' } })
    expect((await all[1]!.chat('What is a secret?', deterministic)).cachedAtMs).toBe(answer.cachedAtMs)
    expect(ollama.counts.chats).toBe(1)
    const met = told.flatMap((event) => (event.type === 'cache' ? [[event.result, event.where]] : []))
    expect(met).toEqual([
      ['miss', undefined],
      ['hit', 'redis'],
      ['hit', 'memory'],
    ])
  })

  it('never give one tenant the answer of another', async () => {
    await using shared = await startShared(2)
    const { ollama, all } = shared
    const client = await createOwnClient()
    await all[0]!.chat('hi', { ...deterministic, tenant: 'a' })
    await written(client, 1)
    await all[1]!.chat('hi', { ...deterministic, tenant: 'b' })
    await all[1]!.chat('hi', deterministic)
    expect(ollama.counts.chats).toBe(3)
  })

  it('keep an older answer for when no model can answer, also for a process that begins later', async () => {
    const config = { cache: false, degradeToCache: true, waitForReadyMs: 50, patienceMs: 50 }
    await using shared = await startShared(1, config)
    const client = await createOwnClient()
    await shared.surefoot.chat('hi')
    await written(client, 1)
    await shared.ollama.close()
    await using later = createSurefoot(
      { backends: shared.ollama.url, logLevel: 'silent', redisUrl: redis.url, ...config },
      { env: {} },
    )
    expect(await later.chat('hi')).toMatchObject({ served: 'cache', message: { content: '<hi>' } })
  })

  it.each<[string, string | undefined]>([
    ['is no JSON', 'hello'],
    ['is of another form', '{"form":2}'],
    ['is cut', undefined],
    ['is huge', `{"form":1,"x":"${'x'.repeat(10_000_000)}"}`],
  ])('take a value that %s for none', async (_what, value) => {
    await using shared = await startShared(2)
    const { ollama, all } = shared
    const client = await createOwnClient()
    await all[0]!.chat('hi', deterministic)
    const [key] = await written(client, 1)
    await client.set(key!, value ?? (await client.get(key!))!.slice(0, -20))
    expect(await all[1]!.chat('hi', deterministic)).toMatchObject({ served: 'model', message: { content: '<hi>' } })
    expect(ollama.counts.chats).toBe(2)
  })

  it('take a key that holds something else for none', async () => {
    await using shared = await startShared(2)
    const { all } = shared
    const client = await createOwnClient()
    await all[0]!.chat('hi', deterministic)
    const [key] = await written(client, 1)
    await client.del(key!)
    await client.rPush(key!, 'a list')
    expect(await all[1]!.chat('hi', deterministic)).toMatchObject({ served: 'model', message: { content: '<hi>' } })
    expect(all[1]!.cache?.store).toBe('up')
  })
})

describe('a Redis that fails', () => {
  /** How long each of so many calls took, none of which may fail. */
  async function times(surefoot: LocalSurefoot, count: number, name: string): Promise<number[]> {
    const tookMs: number[] = []
    await inParallel(count, 10, async (request) => {
      const startMs = performance.now()
      const { message } = await surefoot.chat(`${name} ${request}`, deterministic)
      if (message.content !== `<${name} ${request}>`) throw new Error('wrong answer')
      tookMs.push(performance.now() - startMs)
    })
    return tookMs.sort((a, b) => a - b)
  }

  it('is killed in the middle: no call fails, and those after it wait for nothing; when it is back it is used', async () => {
    await using shared = await startShared(1)
    const { surefoot, told } = shared
    await times(surefoot, 100, 'before')
    expect(surefoot.cache?.store).toBe('up')
    const during = times(surefoot, 500, 'during')
    await redis.kill()
    await during
    expect(surefoot.cache?.store).toBe('down')
    const after = await times(surefoot, 500, 'after')
    // A single wait for it would be 150 ms.
    expect(after[Math.floor(after.length / 2)]).toBeLessThan(100)
    expect(surefoot.cache).toMatchObject({ misses: 1_100 })
    await redis.start()
    await until(() => surefoot.cache?.store === 'up')
    await times(surefoot, 10, 'back')
    const client = await createOwnClient()
    await written(client, 10)
    expect(told.filter(({ type }) => type.startsWith('cache-store'))).toEqual([
      { type: 'cache-store-out', problem: expect.stringMatching(/^[\w]+$/) },
      { type: 'cache-store-back' },
    ])
  }, 60_000)

  it('hangs: the calls under way wait 150 ms for it, those after them nothing', async () => {
    await using shared = await startShared(1)
    const { surefoot } = shared
    await times(surefoot, 10, 'before')
    redis.freeze()
    onTestFinished(() => redis.wake())
    const during = await times(surefoot, 10, 'during')
    expect(during[0]).toBeGreaterThan(100)
    expect(surefoot.cache?.store).toBe('down')
    const after = await times(surefoot, 100, 'after')
    expect(after[0]).toBeLessThan(100)
    redis.wake()
    await until(() => surefoot.cache?.store === 'up')
  }, 60_000)

  it('is not there from the beginning: every call is answered', async () => {
    await redis.kill()
    onTestFinished(() => redis.start())
    await using shared = await startShared(1)
    await times(shared.surefoot, 20, 'alone')
    expect(shared.surefoot.cache).toMatchObject({ misses: 20, store: 'down' })
  })

  it.each(['there', 'away'])('after close() no socket and no timer is left, when it is %s', async (where) => {
    await using pair = await startPair()
    if (where === 'away') {
      await redis.kill()
      onTestFinished(() => redis.start())
    }
    const { lines, lingeredMs } = await runScript(
      pair.ollama.url,
      `
      await Promise.all(Array.from({ length: 5 }, (_, n) => surefoot.chat(String(n), { temperature: 0 })))
      await surefoot.close()
      await new Promise((resolve) => setImmediate(resolve))
      const ours = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate|DNS|GetAddrInfo/.test(name))
      console.log(JSON.stringify(ours))`,
      { cache: true, redisUrl: redis.url },
    )
    expect(lines).toEqual(['[]'])
    expect(lingeredMs).toBeLessThan(1_000)
  })

  it('does not keep a process alive that forgets to close', async () => {
    await using pair = await startPair()
    const { code } = await runScript(pair.ollama.url, `await surefoot.chat('hi', { temperature: 0 })`, {
      cache: true,
      redisUrl: redis.url,
    })
    expect(code).toBe(0)
  })
})
