import { expect, it } from 'vitest'

import { PLANTED_FAULTS } from '../src/planted/planted-faults.ts'
import { faultsThatDoNotApply } from '../src/planted/source-copy.ts'

it('every fault can still be planted; `pnpm prove:planted` shows that they are noticed', async () => {
  expect(await faultsThatDoNotApply(PLANTED_FAULTS)).toEqual([])
})

it('there are 41, with a name of their own, the seven traps among them', () => {
  expect(new Set(PLANTED_FAULTS.map(({ name }) => name)).size).toBe(41)
  expect(PLANTED_FAULTS.flatMap(({ trap }) => trap ?? []).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7])
})

it('one whose place is gone is named', async () => {
  const edits = [{ file: 'backends/breaker.ts', find: 'there is no such text', put: '' }]
  const [reason] = await faultsThatDoNotApply([{ name: 'it breaks', edits }])
  expect(reason).toBe('"it breaks" does not apply any more: its place in core/src/backends/breaker.ts is not there')
})
