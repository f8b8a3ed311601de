import { expect, test } from 'vitest'
import { countsToLine } from './count-reporter.ts'

test('the line names the skipped only where there are any', () => {
  expect(countsToLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed')
  expect(countsToLine({ passed: 1, failed: 2, skipped: 3 })).toBe('1 passed, 2 failed, 3 skipped')
})
