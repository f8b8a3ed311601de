import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { createTelemetry } from '../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../telemetry/telemetry.ts'
import type { RedisClient } from './redis-client.ts'
import { RedisStore } from './redis-store.ts'

/** What the Redis of a test is like at the moment. */
type Mood = 'well' | 'away' | 'hangs' | 'greets late' | 'refuses'

/** A store over a Redis in virtual time. */
function createRig(mood: Mood = 'well', mostBytes = 1_000) {
  const time = createVirtualTime()
  const telemetry = createTelemetry()
  const told: TelemetryEvent[] = []
  telemetry.on((event) => told.push(event))
  const values = new Map<string, string>()
  const connections: { atMs: number; isDestroyed: boolean; lose(fault: Error): void }[] = []
  const rig = { time, told, values, connections, mood, asked: 0, ttls: [] as number[] }
  const createClient = async (): Promise<RedisClient> => {
    const listeners: ((fault: Error) => void)[] = []
    const fails: ((fault: Error) => void)[] = []
    const connection = {
      atMs: time.clock.monotonicMs(),
      isDestroyed: false,
      lose: (fault: Error) => listeners.forEach((listener) => listener(fault)),
    }
    connections.push(connection)
    const answer = <T>(value: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        rig.asked++
        fails.push(reject)
        if (rig.mood === 'refuses') reject(new Error('WRONGTYPE Operation against a key'))
        else if (rig.mood !== 'hangs') time.timers.set(1, () => resolve(value()), 'background')
      })
    return {
      on: (_event, listener) => listeners.push(listener),
      connect: () =>
        new Promise<void>((resolve, reject) => {
          fails.push(reject)
          if (rig.mood === 'away') reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
          else if (rig.mood === 'greets late') time.timers.set(2_000, resolve, 'background')
          else if (rig.mood !== 'hangs') time.timers.set(1, resolve, 'background')
        }),
      getRange: (key, start, end) => answer(() => (values.get(key) ?? '').slice(start, end + 1)),
      set: (key, value, { expiration }) =>
        answer(() => {
          rig.ttls.push(expiration.value)
          values.set(key, value)
        }),
      destroy() {
        connection.isDestroyed = true
        for (const fail of fails) fail(new Error('destroyed'))
      },
    }
  }
  const store = new RedisStore('redis://cache', { runtime: time, telemetry, mostBytes, createClient })
  return Object.assign(rig, {
    store,
    /** How long one question takes, and its answer. */
    async get(key: string): Promise<{ readonly value: string | undefined; readonly tookMs: number }> {
      const sinceMs = time.clock.monotonicMs()
      let tookMs = Number.NaN
      const got = store.get(key).then((value) => {
        tookMs = time.clock.monotonicMs() - sinceMs
        return value
      })
      for (let ms = 0; ms < 1_000 && Number.isNaN(tookMs); ms++) await time.advance(1)
      return { value: await got, tookMs }
    },
    types: () => told.map(({ type }) => type),
  })
}

describe('a Redis that is well', () => {
  it('keeps what it is given, for as long, under a name of ours', async () => {
    const rig = createRig()
    rig.store.set('k', 'v', 60_000.5)
    await rig.time.advance(10)
    expect([...rig.values]).toEqual([['surefoot:answer:1:k', 'v']])
    expect(rig.ttls).toEqual([60_001])
    expect(await rig.get('k')).toEqual({ value: 'v', tookMs: 1 })
    expect((await rig.get('other')).value).toBeUndefined()
    expect(rig.told).toEqual([])
  })

  it('is not asked for more than may be kept, and given no more', async () => {
    const rig = createRig('well', 100)
    rig.store.set('large', 'x'.repeat(101), 60_000)
    await rig.time.advance(10)
    expect(rig.values.size).toBe(0)
    rig.values.set('surefoot:answer:1:foreign', 'x'.repeat(1_000_000))
    expect((await rig.get('foreign')).value).toBeUndefined()
    rig.store.set('fits', 'x'.repeat(100), 60_000)
    expect((await rig.get('fits')).value).toHaveLength(100)
  })

  it('is waited for by the first calls of a process, but not for long', async () => {
    expect(await createRig('well').get('k')).toEqual({ value: undefined, tookMs: 2 })
    expect(await createRig('away').get('k')).toEqual({ value: undefined, tookMs: 0 })
    expect(await createRig('greets late').get('k')).toEqual({ value: undefined, tookMs: 500 })
  })
})

describe('a Redis that is not', () => {
  it('is not asked while it is away, and used again when it is back', async () => {
    const rig = createRig('away')
    await rig.time.advance(10_000)
    expect(rig.store.isUp).toBe(false)
    const { length } = rig.connections
    expect(length).toBeGreaterThan(5)
    expect(length).toBeLessThan(15)
    rig.mood = 'well'
    await rig.time.advance(2_001)
    expect(rig.store.isUp).toBe(true)
    rig.store.set('k', 'v', 60_000)
    await rig.time.advance(2)
    expect((await rig.get('k')).value).toBe('v')
    expect(rig.told).toEqual([{ type: 'cache-store-out', problem: 'ECONNREFUSED' }, { type: 'cache-store-back' }])
  })

  it('that goes away in the middle is left at once', async () => {
    const rig = createRig()
    await rig.time.advance(10)
    rig.mood = 'away'
    rig.connections[0]!.lose(new Error('Socket closed unexpectedly'))
    expect(rig.store.isUp).toBe(false)
    const { asked } = rig
    expect(await rig.store.get('k')).toBeUndefined()
    expect(rig.asked).toBe(asked)
    rig.mood = 'well'
    await rig.time.advance(60)
    expect(rig.store.isUp).toBe(true)
    expect(rig.connections[0]!.isDestroyed).toBe(true)
  })

  it('that hangs costs the calls under way 150 ms, and the ones after them nothing', async () => {
    const rig = createRig()
    await rig.time.advance(10)
    rig.mood = 'hangs'
    const waiting = Promise.all([rig.get('a'), rig.store.get('b'), rig.store.get('c')])
    const [first] = await waiting
    expect(first).toEqual({ value: undefined, tookMs: 150 })
    expect(rig.store.isUp).toBe(false)
    expect((await rig.get('d')).tookMs).toBeLessThanOrEqual(1)
    await rig.time.advance(60_000)
    expect(rig.store.isUp).toBe(false)
    rig.mood = 'well'
    // A connection that is never greeted is given up after 5 s.
    await rig.time.advance(10_000)
    expect(rig.store.isUp).toBe(true)
    expect(rig.told).toEqual([{ type: 'cache-store-out', problem: 'TIMEOUT' }, { type: 'cache-store-back' }])
  })

  it('that greets but never answers is tried after 1, 2, 4 … 30 s', async () => {
    const rig = createRig()
    await rig.time.advance(10)
    const lostAtMs: number[] = []
    rig.mood = 'hangs'
    for (let times = 0; times < 8; times++) {
      await rig.get('k')
      lostAtMs.push(rig.time.clock.monotonicMs())
      rig.mood = 'well'
      while (!rig.store.isUp) await rig.time.advance(50)
      rig.mood = 'hangs'
    }
    const pauses = rig.connections.slice(1).map(({ atMs }, at) => Math.round((atMs - lostAtMs[at]!) / 1_000))
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30])
  })

  it('that refuses is told of once, and never fails a call', async () => {
    const rig = createRig()
    await rig.time.advance(10)
    rig.mood = 'refuses'
    for (let times = 0; times < 20; times++) expect((await rig.get('k')).value).toBeUndefined()
    expect(rig.told).toEqual([{ type: 'cache-store-out', problem: 'WRONGTYPE' }])
    rig.mood = 'well'
    await rig.get('k')
    expect(rig.told.at(-1)).toEqual({ type: 'cache-store-back' })
  })

  it('that comes and goes is told of once in ten seconds', async () => {
    const rig = createRig()
    for (let second = 0; second < 20; second++) {
      rig.mood = 'refuses'
      await rig.get('k')
      rig.mood = 'well'
      await rig.get('k')
      await rig.time.advance(1_000)
    }
    expect(rig.types()).toEqual(['cache-store-out', 'cache-store-back', 'cache-store-out', 'cache-store-back'])
  })
})

describe('closing', () => {
  it('waits for what is being written, and leaves nothing', async () => {
    const rig = createRig()
    await rig.time.advance(10)
    rig.store.set('k', 'v', 60_000)
    const closed = rig.store.close()
    rig.store.set('late', 'v', 60_000)
    await rig.time.advance(10)
    await closed
    expect([...rig.values.keys()]).toEqual(['surefoot:answer:1:k'])
    expect(rig.connections.map(({ isDestroyed }) => isDestroyed)).toEqual([true])
    expect([rig.store.isUp, rig.time.pendingTimers]).toEqual([false, 0])
  })

  it.each<Mood>(['well', 'away', 'hangs'])('also before it is connected: %s', async (mood) => {
    const rig = createRig(mood)
    const asked = rig.store.get('k')
    await rig.store.close()
    expect(await asked).toBeUndefined()
    await rig.time.advance(10)
    expect(rig.time.pendingTimers).toBe(0)
    await rig.time.advance(60_000)
    expect(rig.connections.filter(({ isDestroyed }) => !isDestroyed)).toEqual([])
  })

  it.each([10, 800])('does not wait for a greeting that never comes, %i ms after it was expected', async (ms) => {
    const rig = createRig('hangs')
    await rig.time.advance(ms)
    await rig.store.close()
    expect(rig.connections.map(({ isDestroyed }) => isDestroyed)).toEqual([true])
    expect([rig.time.pendingTimers, rig.told]).toEqual([0, []])
  })
})
