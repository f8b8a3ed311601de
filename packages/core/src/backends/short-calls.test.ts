import { getEventListeners } from 'node:events'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { createShortCalls } from './short-calls.ts'
import type { Read } from './short-calls.ts'

// cockatiel's policies take their time from the process, so here it is vitest that drives it.
beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const OK = { status: 200, body: '{"version":"0.32.15"}' }
const hang: Read = (_path, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })

/** What a promise came to, and when. */
async function outcome(promise: Promise<unknown>): Promise<{ value: unknown; afterMs: number }> {
  const startedAtMs = Date.now()
  const ended = promise.then(
    (value) => ({ value, afterMs: Date.now() - startedAtMs }),
    (error: unknown) => ({ value: error, afterMs: Date.now() - startedAtMs }),
  )
  await vi.advanceTimersByTimeAsync(20_000)
  return await ended
}

describe('a short call', () => {
  it('reads JSON', async () => {
    const paths: string[] = []
    const calls = createShortCalls(async (path) => {
      paths.push(path)
      return OK
    })
    expect(await calls.json('/api/version')).toEqual({ version: '0.32.15' })
    expect(paths).toEqual(['/api/version'])
  })

  it('is tried once more after 50 ms', async () => {
    let asked = 0
    const calls = createShortCalls(async () => (++asked === 1 ? { status: 500, body: '' } : OK))
    expect(await outcome(calls.json('/api/version'))).toEqual({ value: { version: '0.32.15' }, afterMs: 50 })
  })

  it('but not twice', async () => {
    let asked = 0
    const calls = createShortCalls(async () => {
      asked++
      throw new Error('refused')
    })
    expect((await outcome(calls.json('/api/version'))).value).toMatchObject({ message: 'refused' })
    expect(asked).toBe(2)
  })

  it('ends at once when all is closed, without a second try, and leaves no timer and no listener', async () => {
    const closed = new AbortController()
    let asked = 0
    const calls = createShortCalls((path, signal) => (++asked, hang(path, signal)), closed.signal)
    const ended = Promise.allSettled([calls.json('/api/ps'), calls.probe()])
    await vi.advanceTimersByTimeAsync(10)
    closed.abort()
    const [read] = await ended
    expect([read.status, asked, vi.getTimerCount()]).toEqual(['rejected', 2, 0])
    expect(getEventListeners(closed.signal, 'abort')).toEqual([])
  })

  it('ends after 3 s in all, and lets go of the socket', async () => {
    let aborted = 0
    const calls = createShortCalls((path, signal) => {
      signal.addEventListener('abort', () => aborted++)
      return hang(path, signal)
    })
    expect((await outcome(calls.json('/api/version'))).afterMs).toBe(3_000)
    expect(aborted).toBe(1)
  })

  it('is spared a backend that fails again and again, for half a second', async () => {
    let asked = 0
    const calls = createShortCalls(async () => {
      asked++
      throw new Error('refused')
    })
    for (let count = 0; count < 10; count++) {
      await Promise.all([calls.json('/api/tags').catch(() => {}), vi.advanceTimersByTimeAsync(50)])
    }
    expect(asked).toBeLessThan(10)
    const before = asked
    await vi.advanceTimersByTimeAsync(500)
    await Promise.all([calls.json('/api/tags').catch(() => {}), vi.advanceTimersByTimeAsync(50)])
    expect(asked).toBeGreaterThan(before)
  })

  it('that is forced asks all the same', async () => {
    let asked = 0
    let isBack = false
    const calls = createShortCalls(async () => {
      asked++
      if (!isBack) throw new Error('refused')
      return OK
    })
    for (let count = 0; count < 10; count++) {
      await Promise.all([calls.json('/api/ps').catch(() => {}), vi.advanceTimersByTimeAsync(50)])
    }
    isBack = true
    const before = asked
    await Promise.all([expect(calls.json('/api/ps')).rejects.toThrow(), vi.advanceTimersByTimeAsync(50)])
    expect(asked).toBe(before)
    expect(await calls.json('/api/version', true)).toEqual({ version: '0.32.15' })
    expect(asked).toBe(before + 1)
  })

  it('what is not JSON is an error', async () => {
    const calls = createShortCalls(async () => ({ status: 200, body: '<html>' }))
    await expect(calls.json('/api/tags')).rejects.toThrow(SyntaxError)
  })
})

describe('whether it answers at all', () => {
  it('yes', async () => {
    expect(await createShortCalls(async () => OK).probe()).toBe('answers')
  })

  it.each(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'])('no: %s', async (code) => {
    const calls = createShortCalls(() => Promise.reject(Object.assign(new Error(code), { code })))
    expect(await calls.probe()).toBe('away')
  })

  it('somebody is there who answers something else, or not within a second', async () => {
    expect(await createShortCalls(async () => ({ status: 500, body: '' })).probe()).toBe('unclear')
    const code = 'HPE_INVALID_CONSTANT'
    expect(await createShortCalls(() => Promise.reject(Object.assign(new Error(code), { code }))).probe()).toBe(
      'unclear',
    )
    expect(await outcome(createShortCalls(hang).probe())).toEqual({ value: 'unclear', afterMs: 1_000 })
  })

  it('is asked without retry, and whatever the other calls came to', async () => {
    let asked = 0
    const calls = createShortCalls(async () => {
      asked++
      throw new Error('broken')
    })
    for (let count = 0; count < 20; count++) expect(await calls.probe()).toBe('unclear')
    expect(asked).toBe(20)
  })
})
