import { getEventListeners } from 'node:events'

import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { abortable } from './abortable.ts'
import { wait } from './wait.ts'

const listeners = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length

describe('waiting', () => {
  it('ends when the time is over, and leaves nothing behind', async () => {
    const time = createVirtualTime()
    const controller = new AbortController()
    const waited = wait(time.timers, 1_000, controller.signal)
    expect([time.pendingTimers, listeners(controller)]).toEqual([1, 1])
    await time.advance(1_000)
    await waited
    expect([time.pendingTimers, listeners(controller)]).toEqual([0, 0])
  })

  it("ends at once with the caller's own reason, and leaves nothing behind", async () => {
    const time = createVirtualTime()
    const controller = new AbortController()
    const waited = wait(time.timers, 1_000, controller.signal)
    const reason = { why: 'left' }
    controller.abort(reason)
    await expect(waited).rejects.toBe(reason)
    expect([time.pendingTimers, listeners(controller)]).toEqual([0, 0])
  })

  it('does not begin when it has ended already', async () => {
    const time = createVirtualTime()
    await expect(wait(time.timers, 1_000, AbortSignal.abort('left'))).rejects.toBe('left')
    expect(time.pendingTimers).toBe(0)
  })
})

describe('waiting for work that others share', () => {
  it('gives what it gives, and leaves no listener', async () => {
    const controller = new AbortController()
    expect(await abortable(Promise.resolve(5), controller.signal)).toBe(5)
    await expect(abortable(Promise.reject(new Error('failed')), controller.signal)).rejects.toThrow('failed')
    expect(listeners(controller)).toBe(0)
    expect(await abortable(Promise.resolve(6), undefined)).toBe(6)
  })

  it('ends with the signal, before or while it waits', async () => {
    const controller = new AbortController()
    const waited = abortable(new Promise(() => {}), controller.signal)
    controller.abort('left')
    await expect(waited).rejects.toBe('left')
    await expect(abortable(Promise.resolve(5), AbortSignal.abort('left'))).rejects.toBe('left')
  })

  it('a failure of the work after that bothers nobody', async () => {
    const controller = new AbortController()
    const work = Promise.withResolvers<never>()
    const waited = abortable(work.promise, controller.signal)
    controller.abort('left')
    await expect(waited).rejects.toBe('left')
    work.reject(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})
