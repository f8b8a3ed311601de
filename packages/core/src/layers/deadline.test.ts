import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { Call, CallContext, CallEnd, Reply, Service } from '../service.ts'
import { createDeadline } from './deadline.ts'

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const CALL: Call = { kind: 'chat', model: 'llama3.2', request: REQUEST, body: Buffer.from('{}'), buffered: false }
const REPLY = { backend: 'http://a:1' } as Reply

function createRig(next: Service, deadlineAtMs = 60_000) {
  const time = createVirtualTime()
  const controller = new AbortController()
  const cleanups: ((end: CallEnd) => void)[] = []
  const context: CallContext = {
    id: 'run-1',
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    deadlineAtMs,
    attempt: 1,
    exclude: new Set(),
    emit: () => {},
    defer: (cleanup) => cleanups.push(cleanup),
  }
  return {
    time,
    signal: controller.signal,
    ask: () => createDeadline(time)(next)(CALL, context),
    end: () => cleanups.forEach((cleanup) => cleanup({ kind: 'aborted' })),
  }
}

describe('the deadline', () => {
  it('ends a call that waits below, and says after how long', async () => {
    const rig = createRig(
      (_call, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    )
    const ended = rig.ask()
    ended.catch(() => {})
    await rig.time.advance(59_999)
    expect(rig.signal.aborted).toBe(false)
    await rig.time.advance(1)
    await expect(ended).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'No whole answer within 60 s.',
      httpStatus: 504,
    })
  })

  it('goes on while the answer is streamed', async () => {
    const rig = createRig(async () => REPLY, 1_500)
    expect(await rig.ask()).toBe(REPLY)
    await rig.time.advance(1_500)
    expect(SurefootError.is(rig.signal.reason) && rig.signal.reason.message).toBe('No whole answer within 1.5 s.')
  })

  it('says a time below a second in milliseconds', async () => {
    const rig = createRig(async () => REPLY, 5)
    await rig.ask()
    await rig.time.advance(5)
    expect((rig.signal.reason as SurefootError).message).toBe('No whole answer within 5 ms.')
  })

  it('leaves no timer when the call has ended', async () => {
    const rig = createRig(async () => REPLY)
    await rig.ask()
    expect(rig.time.pendingTimers).toBe(1)
    rig.end()
    expect(rig.time.pendingTimers).toBe(0)
    await rig.time.advance(100_000)
    expect(rig.signal.aborted).toBe(false)
  })

  it('counts from the start of the call, not from where the layer begins', async () => {
    const rig = createRig(async () => REPLY, 10_000)
    await rig.time.advance(9_000)
    await rig.ask()
    await rig.time.advance(999)
    expect(rig.signal.aborted).toBe(false)
    await rig.time.advance(1)
    expect(rig.signal.aborted).toBe(true)
  })
})
