import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { classify } from '../outcome/classify.ts'
import type { Failure } from '../outcome/failure.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Prober } from './prober.ts'
import type { ProbeResult } from './short-calls.ts'

const REFUSED: Failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }
const CRASH: Failure = { kind: 'status', status: 500, body: '{"error":"unexpected EOF"}', elapsedMs: 5_000 }

function createRig() {
  const time = createVirtualTime()
  const backend = new Backend('http://a:1', readConfig({ backends: 'http://a:1' }), time, createTelemetry())
  const rig = {
    time,
    backend,
    /** When it was looked at. */
    looks: [] as number[],
    found: 'away' as ProbeResult,
    /** How long a look takes. */
    delayMs: 0,
    waitedFor: false,
    prober: undefined as unknown as Prober,
    trip(failure: Failure): void {
      const verdict = classify(failure, { backend: 'http://a:1', model: 'm' })
      while (backend.breaker.state !== 'open') backend.lease('m').end({ kind: 'failed', verdict })
    },
    /** Once half-open, one call that answers. */
    recover(): void {
      backend.lease('m').end({ kind: 'whole' })
      expect(backend.breaker.state).toBe('closed')
    },
  }
  const calls = {
    json: () => Promise.reject(new Error('not asked for')),
    async probe() {
      rig.looks.push(time.clock.monotonicMs())
      if (rig.delayMs > 0) await new Promise<void>((resolve) => void time.timers.set(rig.delayMs, resolve))
      return rig.found
    },
  }
  rig.prober = new Prober(backend, calls, time, () => rig.waitedFor)
  return rig
}

describe('looking after an open backend', () => {
  it('nobody looks while it is closed', async () => {
    const rig = createRig()
    rig.backend.lease('m').end({ kind: 'whole' })
    await rig.time.advance(100_000)
    expect(rig.looks).toEqual([])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('every 2 s when nobody waits', async () => {
    const rig = createRig()
    rig.trip(REFUSED)
    await rig.time.advance(9_000)
    expect(rig.looks).toEqual([2_000, 4_000, 6_000, 8_000])
  })

  it('every 250 ms while somebody waits, at first sooner', async () => {
    const rig = createRig()
    rig.waitedFor = true
    rig.trip(REFUSED)
    await rig.time.advance(3_000)
    const gaps = rig.looks.slice(1).map((atMs, index) => atMs - rig.looks[index]!)
    expect(Math.max(...gaps)).toBe(250)
    expect(gaps.at(-1)).toBe(250)
    expect(gaps.length).toBeLessThan(25)
  })

  it('as soon as somebody begins to wait, not two seconds later', async () => {
    const rig = createRig()
    rig.trip(REFUSED)
    await rig.time.advance(100)
    rig.waitedFor = true
    rig.prober.hurry()
    await rig.time.advance(250)
    expect(rig.looks.length).toBeGreaterThan(0)
  })

  it('calls that keep coming do not put the look off', async () => {
    const rig = createRig()
    rig.trip(REFUSED)
    rig.waitedFor = true
    for (let count = 0; count < 100; count++) {
      rig.prober.hurry()
      await rig.time.advance(5)
    }
    expect(rig.looks.length).toBeGreaterThan(2)
  })

  it('one look at a time', async () => {
    const rig = createRig()
    rig.delayMs = 900
    rig.waitedFor = true
    rig.trip(REFUSED)
    await rig.time.advance(2_000)
    const gaps = rig.looks.slice(1).map((atMs, index) => atMs - rig.looks[index]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(900)
  })

  it('ends when it is let go, also in the middle of a look', async () => {
    const rig = createRig()
    rig.delayMs = 500
    rig.trip(REFUSED)
    await rig.time.advance(2_100)
    expect(rig.looks).toHaveLength(1)
    rig.found = 'answers'
    rig.prober.close()
    await rig.time.advance(10_000)
    expect(rig.looks).toHaveLength(1)
    expect(rig.backend.breaker.state).toBe('open')
    expect(rig.time.pendingTimers).toBe(0)
  })
})

describe('early close', () => {
  it('refused and then reachable is a restart: half-open at once', async () => {
    const rig = createRig()
    rig.trip(REFUSED)
    await rig.time.advance(5_000)
    expect(rig.backend.breaker.state).toBe('open')
    rig.found = 'answers'
    await rig.time.advance(1_000)
    expect(rig.backend.breaker.state).toBe('half-open')
    rig.recover()
    await rig.time.advance(10_000)
    expect(rig.looks).toHaveLength(3)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('merely reachable is none: its health routes answer when nothing else does (F3)', async () => {
    const rig = createRig()
    rig.found = 'answers'
    rig.trip(CRASH)
    await rig.time.advance(30_000)
    expect(rig.looks.length).toBeGreaterThan(10)
    expect(rig.backend.breaker.state).toBe('open')
  })

  it('whatever opened it: once away and back, it is a restart', async () => {
    const rig = createRig()
    rig.found = 'answers'
    rig.trip(CRASH)
    await rig.time.advance(3_000)
    rig.found = 'away'
    await rig.time.advance(4_000)
    expect(rig.backend.breaker.state).toBe('open')
    rig.found = 'answers'
    await rig.time.advance(2_000)
    expect(rig.backend.breaker.state).toBe('half-open')
  })

  it('an answer that was late, or was none, and then a good one is none', async () => {
    const rig = createRig()
    rig.trip(CRASH)
    rig.found = 'unclear'
    await rig.time.advance(2_500)
    rig.found = 'answers'
    await rig.time.advance(10_000)
    expect(rig.backend.breaker.state).toBe('open')
  })

  it('an absence before the last recovery does not count', async () => {
    const rig = createRig()
    rig.trip(REFUSED)
    await rig.time.advance(1_000)
    rig.found = 'answers'
    // The last backend is tried after a second, and answers; then it crashes again and again without having been away.
    rig.recover()
    rig.trip(CRASH)
    await rig.time.advance(20_000)
    expect(rig.backend.breaker.state).toBe('open')
  })
})

describe('a call that sleeps because of a backend that no breaker holds back', () => {
  it('is woken when the backend is back, and then nobody looks any more', async () => {
    const rig = createRig()
    let woken = 0
    rig.prober.awaitReturn(true, () => woken++)
    await rig.time.advance(1_000)
    expect(woken).toBe(0)
    const gaps = rig.looks.slice(1).map((atMs, index) => atMs - rig.looks[index]!)
    expect(Math.max(...gaps)).toBe(250)
    rig.found = 'answers'
    await rig.time.advance(250)
    expect(woken).toBe(1)
    const { length } = rig.looks
    await rig.time.advance(10_000)
    expect(rig.looks).toHaveLength(length)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('that has not seen it away is woken only after a look that has', async () => {
    const rig = createRig()
    rig.found = 'answers'
    let woken = 0
    rig.prober.awaitReturn(false, () => woken++)
    await rig.time.advance(1_000)
    expect(woken).toBe(0)
    rig.found = 'away'
    await rig.time.advance(250)
    rig.found = 'answers'
    await rig.time.advance(250)
    expect(woken).toBe(1)
  })

  it('and ends its sleep ends the looks', async () => {
    const rig = createRig()
    const end = rig.prober.awaitReturn(true, () => expect.fail('nothing came back'))
    await rig.time.advance(100)
    end()
    expect(rig.time.pendingTimers).toBe(0)
    rig.found = 'answers'
    await rig.time.advance(5_000)
  })

  it('together with others is woken once, and the backend is let back in if it was open', async () => {
    const rig = createRig()
    let woken = 0
    for (let count = 0; count < 20; count++) rig.prober.awaitReturn(true, () => woken++)
    await rig.time.advance(500)
    rig.trip(REFUSED)
    await rig.time.advance(500)
    rig.found = 'answers'
    await rig.time.advance(500)
    expect(woken).toBe(20)
    expect(rig.backend.breaker.state).toBe('half-open')
  })
})
