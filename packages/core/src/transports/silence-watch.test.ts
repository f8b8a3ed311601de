import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { SilenceWatch } from './silence-watch.ts'

function createRig(limitMs = 60_000) {
  const time = createVirtualTime()
  const silences: number[] = []
  const rig = { time, silences, limitMs, watch: undefined as unknown as SilenceWatch }
  rig.watch = new SilenceWatch(
    time,
    () => rig.limitMs,
    (silentMs) => silences.push(silentMs),
  )
  return rig
}

describe('the watch over silence', () => {
  it('tells after the limit, once, with how long it was', async () => {
    const rig = createRig()
    await rig.time.advance(59_999)
    expect(rig.silences).toEqual([])
    await rig.time.advance(100_000)
    expect(rig.silences).toEqual([60_000])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('whatever is heard starts it anew', async () => {
    const rig = createRig()
    for (let count = 0; count < 20; count++) {
      await rig.time.advance(59_000)
      rig.watch.heard()
    }
    expect(rig.silences).toEqual([])
    await rig.time.advance(60_000)
    expect(rig.silences).toEqual([60_000])
  })

  it('needs one timer, however much is heard', async () => {
    const rig = createRig()
    for (let count = 0; count < 10_000; count++) rig.watch.heard()
    expect(rig.time.pendingTimers).toBe(1)
  })

  it('goes on with a longer limit, counted from what was last heard', async () => {
    const rig = createRig(1_000)
    await rig.time.advance(1_000)
    rig.limitMs = 60_000
    rig.watch.again()
    await rig.time.advance(58_999)
    expect(rig.silences).toEqual([1_000])
    await rig.time.advance(1)
    expect(rig.silences).toEqual([1_000, 60_000])
  })

  it('is silent once it is stopped', async () => {
    const rig = createRig()
    rig.watch.stop()
    expect(rig.time.pendingTimers).toBe(0)
    await rig.time.advance(100_000)
    expect(rig.silences).toEqual([])
  })
})
