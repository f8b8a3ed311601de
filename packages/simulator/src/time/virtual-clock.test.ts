import { describe, expect, it } from 'vitest'

import { VirtualClock } from './virtual-clock.ts'

describe('virtual time', () => {
  it('settles promises of any depth between two events', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    clock.at(10, () => {
      let chain = Promise.resolve()
      for (let depth = 0; depth < 50; depth++) chain = chain.then(() => {})
      void chain.then(() => seen.push('settled'))
    })
    clock.at(10, () => seen.push('next'))
    await clock.run(20)
    expect(seen).toEqual(['settled', 'next'])
    expect(clock.nowMs).toBe(20)
  })

  it('counts the timers of core until they fire or are taken back', async () => {
    const clock = new VirtualClock()
    const { timers } = clock.createRuntime(1)
    timers.set(10, () => {})
    const taken = timers.set(20, () => {})
    expect(clock.coreTimers).toBe(2)
    taken.cancel()
    taken.cancel()
    await clock.run(15)
    expect(clock.coreTimers).toBe(0)
  })

  it('jumps by the wall, never by the monotonic clock', async () => {
    const clock = new VirtualClock()
    const runtime = clock.createRuntime(1).clock
    const before = runtime.nowMs()
    clock.jumpWallClock(-3_600_000)
    await clock.run(1_000)
    expect(runtime.nowMs() - before).toBe(1_000 - 3_600_000)
    expect(runtime.monotonicMs()).toBe(1_000)
  })

  it('notices when time stands still', async () => {
    const clock = new VirtualClock()
    const again = (): void => void clock.at(0, again)
    again()
    await expect(clock.run(10)).rejects.toThrow('Time stands still at 0 ms')
  })
})
