import { expect, it } from 'vitest'

import type { ReliabilityEvent } from '../../shared/demo-api.ts'
import { idleTest, rateOf, testAfterEvent } from './use-reliability-test.ts'

const result = (index: number, ok: boolean): ReliabilityEvent => ({
  type: 'result',
  side: 'straight',
  load: 'sequential',
  index,
  ok,
  tookMs: 1200,
  ...(!ok && { problem: 'The connection was reset.' }),
})

it('counts what ended, and keeps why something failed', () => {
  const state = [result(0, false), result(1, true)].reduce(testAfterEvent, idleTest())
  expect(rateOf(state, 'straight')).toEqual({ ok: 1, ended: 2 })
  expect(rateOf(state, 'surefoot')).toEqual({ ok: 0, ended: 0 })
  expect(state.dots.straight.sequential[0]).toEqual({ state: 'failed', title: 'The connection was reset. (1.2 s)' })
})

it('says what it does, and in the end what came out', () => {
  const asking = testAfterEvent(idleTest(), { type: 'phase', side: 'surefoot', load: 'concurrent' })
  expect(asking.says).toBe('Asking 20 at once, through Surefoot …')
  expect(asking.dots.surefoot.concurrent.every((dot) => dot.state === 'asked')).toBe(true)
  const ended = testAfterEvent(asking, { type: 'end', rates: { straight: 0.5, surefoot: 1 } })
  expect(ended).toMatchObject({ phase: 'done', says: 'Done: 50 % whole answers straight, 100 % through Surefoot.' })
})
