import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { experimentsSchema } from '../../config/experiment.ts'
import { NotFree } from '../../outcome/not-free.ts'
import { wait } from '../../runtime/wait.ts'
import type { Call, CallContext, Delta, Final } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { Shadows } from './shadows.ts'
import { Trial } from './trial.ts'

const ANSWER_MS = 1_000

function createRig(share = 1) {
  const time = createVirtualTime()
  const telemetry = createTelemetry()
  const ended: unknown[] = []
  telemetry.on((event: TelemetryEvent) => event.type === 'shadow-end' && ended.push(event.outcome))
  const [experiment] = experimentsSchema.parse([
    { name: 'tone', variants: [{ model: 'a' }, { model: 'b' }], shadow: { model: 'new:7b', share } },
  ])
  const trial = new Trial(experiment!, 'a')
  const listeners = new Set<() => void>()
  const calls: { readonly call: Call; readonly context: CallContext }[] = []
  const rig = {
    time,
    trial,
    ended,
    calls,
    listeners,
    isThere: true,
    inMemory: true,
    looks: 0,
    fails: undefined as Error | undefined,
    get asked() {
      return calls.map(({ call }) => call.request.messages[0]!.content)
    },
    get report() {
      return trial.shadowArm!.report(false)
    },
    offer: (content: string, extra: object = {}) =>
      shadows.offer(
        trial,
        { ...CALL, request: { messages: [{ role: 'user', content }], ...extra } },
        `run of ${content}`,
      ),
    change: () => {
      for (const listener of listeners) listener()
    },
    shadows: undefined as unknown as Shadows,
  }
  const shadows = new Shadows({
    runtime: time,
    telemetry,
    spare: {
      isThere: () => rig.isThere,
      async hasInMemory() {
        rig.looks++
        await new Promise<void>((resolve) => void time.timers.set(5, resolve))
        return rig.inMemory
      },
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    async service(call, context) {
      if (rig.fails instanceof NotFree) throw rig.fails
      calls.push({ call, context })
      context.emit({ type: 'attempt', attempt: 1, backend: 'http://a' })
      if (rig.fails !== undefined) throw rig.fails
      await wait(time.timers, ANSWER_MS / 2, context.signal)
      return {
        backend: 'http://a',
        body: (async function* (): AsyncGenerator<Delta, Final, void> {
          yield {} as Delta
          await wait(time.timers, ANSWER_MS / 2, context.signal)
          return { bytes: Buffer.from(''), chunk: { eval_count: 12, eval_duration: 4e8 } as Final['chunk'] }
        })(),
      }
    },
    loadedWith: () => ({ num_ctx: 4_096 }),
    deadlineMs: 60_000,
  })
  rig.shadows = shadows
  return rig
}

const CALL: Call = {
  kind: 'chat',
  model: 'a',
  request: { messages: [] },
  buffered: false,
  priority: 'critical',
  tenant: 'school',
  affinityKey: 'conversation',
}

describe('a copy', () => {
  it('asks the other model the same, last of all, for nobody, and as the model is loaded', async () => {
    const rig = createRig()
    rig.offer('hello', { options: { num_ctx: 32_768, num_gpu: 1, seed: 7 }, keep_alive: 0, format: 'json' })
    await rig.time.advance(2_000)
    const [{ call, context }] = rig.calls as [(typeof rig.calls)[number]]
    expect(call).toMatchObject({ model: 'new:7b', priority: 'low', buffered: true, affinityKey: undefined })
    expect(call.tenant).not.toBe('school')
    expect(JSON.parse(String(call.body))).toEqual({
      model: 'new:7b',
      messages: [{ role: 'user', content: 'hello' }],
      format: 'json',
      options: { num_ctx: 4_096, seed: 7 },
    })
    expect(context).toMatchObject({ onlyIfIdle: true, attempt: 1, deadlineAtMs: 60_005 })
    expect(rig.report).toMatchObject({
      shadows: { begun: 1, whole: 1, cancelled: 0 },
      success: { value: 1, count: 1 },
      calls: 0,
    })
    expect(rig.ended).toEqual(['whole'])
  })

  it('is made of as many calls as was said', async () => {
    const rig = createRig(0.3)
    for (let index = 0; index < 1_000; index++) {
      rig.offer(`${index}`)
      await rig.time.advance(1_100)
    }
    expect(Math.abs(rig.calls.length - 300)).toBeLessThan(4 * Math.sqrt(1_000 * 0.3 * 0.7))
    const none = createRig(0)
    none.offer('hello')
    await none.time.advance(2_000)
    expect({ asked: none.asked, looks: none.looks }).toEqual({ asked: [], looks: 0 })
  })
})

describe('its place', () => {
  it('is waited for by the latest one, without a look or a listener when nothing waits', async () => {
    const rig = createRig()
    rig.isThere = false
    for (const content of ['first', 'second', 'third']) rig.offer(content)
    await rig.time.advance(60_000)
    expect({ asked: rig.asked, looks: rig.looks }).toEqual({ asked: [], looks: 0 })
    rig.isThere = true
    rig.change()
    await rig.time.advance(2_000)
    expect(rig.asked).toEqual(['third'])
    expect(rig.listeners.size).toBe(0)
  })

  it('is left to whoever came during the look', async () => {
    const rig = createRig()
    rig.offer('hello')
    rig.isThere = false
    await rig.time.advance(60_000)
    expect(rig.asked).toEqual([])
    rig.isThere = true
    rig.change()
    await rig.time.advance(2_000)
    expect({ asked: rig.asked, looks: rig.looks }).toEqual({ asked: ['hello'], looks: 2 })
  })

  it('is given up where its model is not in memory, or the place is gone after all', async () => {
    const rig = createRig()
    rig.inMemory = false
    rig.offer('first')
    await rig.time.advance(1_000)
    rig.inMemory = true
    rig.fails = new NotFree()
    rig.offer('second')
    await rig.time.advance(1_000)
    rig.change()
    await rig.time.advance(1_000)
    expect({ asked: rig.asked, looks: rig.looks, ended: rig.ended }).toEqual({ asked: [], looks: 2, ended: [] })
    expect(rig.report).toMatchObject({ shadows: { begun: 0, whole: 0, cancelled: 0 }, success: undefined })
    expect(rig.listeners.size).toBe(0)
  })

  it.each([
    { demand: { model: 'new:7b' }, cut: true },
    { demand: { model: 'a' }, cut: false },
    { demand: { backend: 'http://a' }, cut: true },
    { demand: { backend: 'http://b' }, cut: false },
    { demand: 'anything' as const, cut: true },
  ])('is given to a call that needs $demand: $cut', async ({ demand, cut }) => {
    const rig = createRig()
    rig.offer('hello')
    await rig.time.advance(700)
    expect(rig.shadows.giveWay(demand)).toBe(cut)
    // Once given, it is not given again.
    expect(rig.shadows.giveWay(demand)).toBe(false)
    await rig.time.advance(2_000)
    expect(rig.ended).toEqual([cut ? 'cancelled' : 'whole'])
    expect(rig.report.shadows).toEqual({ begun: 1, whole: cut ? 0 : 1, cancelled: cut ? 1 : 0 })
    expect(rig.report.success?.count).toBe(cut ? undefined : 1)
    expect(rig.asked).toEqual(['hello'])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('is held by nobody after the end', async () => {
    const rig = createRig()
    rig.offer('first')
    await rig.time.advance(100)
    rig.isThere = false
    rig.offer('second')
    rig.shadows.close()
    rig.offer('third')
    rig.isThere = true
    rig.change()
    await rig.time.advance(5_000)
    expect({ asked: rig.asked, ended: rig.ended }).toEqual({ asked: ['first'], ended: ['cancelled'] })
    expect({ timers: rig.time.pendingTimers, listeners: rig.listeners.size }).toEqual({ timers: 0, listeners: 0 })
  })
})

describe('a copy that fails', () => {
  it('says so of its model, and is told of by its code', async () => {
    const rig = createRig()
    rig.fails = new SurefootError({ code: 'BACKEND_FAILED', message: 'It failed.' })
    rig.offer('hello')
    await rig.time.advance(1_000)
    expect(rig.report).toMatchObject({ success: { value: 0, count: 1 }, shadows: { begun: 1, whole: 0, cancelled: 0 } })
    expect(rig.ended).toEqual(['BACKEND_FAILED'])
  })

  it('as the request was wrong says nothing', async () => {
    const rig = createRig()
    rig.fails = new SurefootError({ code: 'INVALID_REQUEST', message: 'It is wrong.' })
    rig.offer('hello')
    await rig.time.advance(1_000)
    expect(rig.report).toMatchObject({ success: undefined, shadows: { begun: 1, whole: 0, cancelled: 0 } })
  })
})
