import { describe, expect, it } from 'vitest'
import { goTimestamp, parseGoDuration } from './go-time.ts'

describe('time as Go has it', () => {
  it('drops trailing zeros of the second', () => {
    expect(goTimestamp(1_800_000_000_120)).toBe('2027-01-15T08:00:00.12Z')
    expect(goTimestamp(1_800_000_000_000)).toBe('2027-01-15T08:00:00Z')
    expect(goTimestamp(1_800_000_000_001.5)).toBe('2027-01-15T08:00:00.0015Z')
  })

  it.each([
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['-1s', -1000],
    ['0', 0],
    ['10', undefined],
    ['soon', undefined],
  ])('reads the duration %s', (text, ms) => {
    expect(parseGoDuration(text)).toBe(ms)
  })
})
