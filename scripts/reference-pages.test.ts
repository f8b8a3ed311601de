import { expect, test } from 'vitest'
import { ERROR_CODES } from '../packages/protocol/src/error-codes.ts'
import { configurationPage, errorsPage } from './reference-pages.ts'

test('every error code has exactly one row, and no row is of another', () => {
  const codes = [...errorsPage().matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1] ?? '')
  expect(codes.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted())
})

test('a setting shows its unit, its presets and a pipe', () => {
  const page = configurationPage([
    { name: 'waitMs', env: 'WAIT', unit: 'ms', range: 'a|b', default: 0, presets: { guide: 5 }, description: 'Waits.' },
  ])
  expect(page).toContain('| `waitMs` | `WAIT` | `0` ms | guide: `5` ms | a\\|b | Waits. |')
})
