import { describe, expect, it } from 'vitest'
import { createVirtualTime } from './virtual-time.ts'

describe('virtual time', () => {
  it('passes only when told to', async () => {
    const time = createVirtualTime({ startAtMs: 1000 })
    expect([time.clock.nowMs(), time.clock.monotonicMs()]).toEqual([1000, 0])
    await time.advance(250)
    expect([time.clock.nowMs(), time.clock.monotonicMs()]).toEqual([1250, 250])
  })

  it('fires timers in order of time, then of setting, at their own moment', async () => {
    const time = createVirtualTime()
    const fired: [string, number][] = []
    const note = (name: string) => () => fired.push([name, time.clock.monotonicMs()])
    time.timers.set(20, note('late'))
    time.timers.set(10, note('first'))
    time.timers.set(10, note('second'))
    time.timers.set(-5, note('now'))
    time.timers.set(15, note('cancelled')).cancel()
    expect(time.pendingTimers).toBe(4)
    await time.advance(19)
    expect(fired).toEqual([
      ['now', 0],
      ['first', 10],
      ['second', 10],
    ])
    await time.advance(1)
    expect(fired.at(-1)).toEqual(['late', 20])
    expect(time.pendingTimers).toBe(0)
  })

  it('lets promises settle between timers, also timers they set', async () => {
    const time = createVirtualTime()
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => time.timers.set(ms, resolve))
    const woken: number[] = []
    const run = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await sleep(10)
        await Promise.resolve()
        woken.push(time.clock.monotonicMs())
      }
    }
    const done = run()
    await time.advance(25)
    expect(woken).toEqual([10, 20])
    await time.runUntilIdle()
    await done
    expect(woken).toEqual([10, 20, 30])
  })

  it('says so when it never becomes idle', async () => {
    const time = createVirtualTime()
    const again = (): void => void time.timers.set(1, again)
    again()
    await expect(time.runUntilIdle(50)).rejects.toThrow('not idle after 50 timers')
  })

  it('is idle while only background timers are left', async () => {
    const time = createVirtualTime()
    const probe = (): void => void time.timers.set(10, probe, 'background')
    probe()
    time.timers.set(25, () => undefined)
    await time.runUntilIdle()
    expect(time.clock.monotonicMs()).toBe(25)
    expect(time.pendingTimers).toBe(1)
  })

  it('draws the same numbers for the same seed, within [0, 1)', () => {
    const draw = (seed: number): number[] => {
      const { random } = createVirtualTime({ seed })
      return Array.from({ length: 1000 }, () => random.next())
    }
    expect(draw(3)).toEqual(draw(3))
    expect(draw(3)).not.toEqual(draw(4))
    const mean = draw(3).reduce((sum, value) => sum + value, 0) / 1000
    expect(mean).toBeGreaterThan(0.45)
    expect(mean).toBeLessThan(0.55)
    expect(draw(3).every((value) => value >= 0 && value < 1)).toBe(true)
  })
})
