import { getEventListeners } from 'node:events'

import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { Backend } from '../../backends/backend.ts'
import { Fleet } from '../../backends/fleet.ts'
import type { Lease } from '../../backends/lease.ts'
import { readConfig } from '../../config/read-config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { classify } from '../../outcome/classify.ts'
import type { Call, CallContext, Reply, Service } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { createDispatch } from './dispatch.ts'
import { Dispatcher } from './dispatcher.ts'

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const CALL: Call = { kind: 'chat', model: 'llama3.2', request: REQUEST, body: Buffer.from('{}'), buffered: false }

/** The layer over a `next` that keeps its lease until the test ends it. */
function createRig(
  next: Service = async () => ({ backend: 'http://a:1' }) as Reply,
  ensureInstalled: (model: string) => Promise<void> | undefined = () => undefined,
) {
  const time = createVirtualTime()
  const config = readConfig({ backends: 'http://a:1' })
  const backend = new Backend('http://a:1', config, time, createTelemetry())
  const dispatcher = new Dispatcher(new Fleet([backend]), config, time)
  const leases: Lease[] = []
  const service = createDispatch(
    dispatcher,
    ensureInstalled,
  )((call, context) => {
    leases.push(context.lease!)
    return next(call, context)
  })
  return {
    time,
    backend,
    dispatcher,
    leases,
    ask(more: Partial<CallContext> = {}) {
      const controller = new AbortController()
      const events: unknown[] = []
      const reply = service(CALL, {
        id: 'run-1',
        signal: controller.signal,
        abort: (reason) => controller.abort(reason),
        deadlineAtMs: 900_000,
        attempt: 1,
        exclude: new Set(),
        emit: (event) => events.push(event),
        defer: () => {},
        ...more,
      })
      reply.catch(() => {})
      return { reply, controller, events, listeners: () => getEventListeners(controller.signal, 'abort').length }
    },
  }
}

describe('dispatch', () => {
  it('hands the lease down, and says which attempt goes where and why', async () => {
    const rig = createRig()
    const first = rig.ask()
    await first.reply
    expect(rig.leases[0]!.backend).toBe(rig.backend)
    expect(first.events).toEqual([{ type: 'attempt', attempt: 1, backend: 'http://a:1' }])
    rig.leases[0]!.end({ kind: 'whole' })
    const second = rig.ask({ attempt: 2, reason: 'CANNOT_CONNECT' })
    await second.reply
    expect(second.events).toEqual([{ type: 'attempt', attempt: 2, backend: 'http://a:1', reason: 'CANNOT_CONNECT' }])
    expect(second.listeners()).toBe(0)
  })

  it('says that a call waits, and lets it go when its turn has come', async () => {
    const rig = createRig()
    await rig.ask().reply
    const second = rig.ask()
    await rig.time.advance(1_000)
    expect(second.events).toEqual([{ type: 'queued', position: 1, waitingFor: 'slot' }])
    rig.leases[0]!.end({ kind: 'whole' })
    await second.reply
    expect(second.events.at(-1)).toMatchObject({ type: 'attempt' })
  })

  it("an abort while it waits: rejected at once with the caller's own reason; no place, listener or timer is left", async () => {
    const rig = createRig()
    await rig.ask().reply
    const second = rig.ask()
    await rig.time.advance(1_000)
    expect(rig.dispatcher.waiting).toBe(1)
    expect(second.listeners()).toBe(1)
    const reason = { why: 'the reader has left' }
    second.controller.abort(reason)
    expect(rig.dispatcher.waiting).toBe(0)
    expect(rig.time.pendingTimers).toBe(0)
    expect(second.listeners()).toBe(0)
    await expect(second.reply).rejects.toBe(reason)
    expect(rig.leases).toHaveLength(1)
    expect(rig.backend.slots.held).toBe(1)
  })

  it('a call that is aborted already takes no place', async () => {
    const rig = createRig()
    const reason = new Error('left before it began')
    await expect(rig.ask({ signal: AbortSignal.abort(reason) }).reply).rejects.toBe(reason)
    expect(rig.backend.slots.held).toBe(0)
    expect(rig.leases).toHaveLength(0)
  })

  it('a fault of ours below gives the lease back and harms no breaker', async () => {
    const rig = createRig(async () => {
      throw new TypeError('a bug')
    })
    for (let count = 0; count < 10; count++) await expect(rig.ask().reply).rejects.toThrow('a bug')
    expect(rig.backend.slots.held).toBe(0)
    expect(rig.backend.breaker.state).toBe('closed')
  })

  it('an attempt that failed has ended its lease itself', async () => {
    const verdict = classify({ kind: 'no-end-mark', gotToken: false }, { backend: 'http://a:1', model: 'llama3.2' })
    const rig = createRig(async (_call, { lease }) => {
      lease!.end({ kind: 'failed', verdict })
      throw new AttemptFailure(verdict, 'http://a:1')
    })
    await expect(rig.ask().reply).rejects.toBeInstanceOf(AttemptFailure)
    expect(rig.backend.slots.held).toBe(0)
    expect(rig.backend.attempts).toEqual({ succeeded: 0, failed: 1, neutral: 0 })
  })

  it('after an abort the transport may hold the lease on purpose, as while a model is loaded', async () => {
    const rig = createRig(
      (_call, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    )
    const asked = rig.ask()
    await rig.time.advance(0)
    asked.controller.abort(new Error('left'))
    await expect(asked.reply).rejects.toThrow('left')
    expect(rig.backend.slots.held).toBe(1)
  })

  it('does not even queue for a model that is known to be nowhere', async () => {
    const missing = new SurefootError({ code: 'MODEL_NOT_FOUND', message: 'Model llama3.2 not found.' })
    const rig = createRig(undefined, () => Promise.reject(missing))
    await expect(rig.ask().reply).rejects.toBe(missing)
    expect(rig.leases).toHaveLength(0)
  })

  it('an abort ends the look for the model', async () => {
    const rig = createRig(undefined, () => new Promise(() => {}))
    const asked = rig.ask()
    await rig.time.advance(0)
    asked.controller.abort(new Error('left'))
    await expect(asked.reply).rejects.toThrow('left')
    expect(asked.listeners()).toBe(0)
  })
})
