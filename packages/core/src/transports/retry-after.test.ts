import { describe, expect, it } from 'vitest'

import { retryAfterMs } from './retry-after.ts'

const NOW = Date.parse('2026-11-23T12:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['7', 7_000],
    [' 0 ', 0],
    ['1.5', 1_500],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ])('%s', (header, expected) => {
    expect(retryAfterMs(header, NOW)).toBe(expected)
  })

  it.each([undefined, '', 'soon', '5 s', '-5', '-1'])(
    'is absent when there is none or it cannot be read: %s',
    (header) => {
      expect(retryAfterMs(header, NOW)).toBeUndefined()
    },
  )

  it('the first of several counts', () => {
    expect(retryAfterMs(['3', '9'], NOW)).toBe(3_000)
  })
})
