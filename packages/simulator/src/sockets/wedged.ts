import { setTimeout as sleep } from 'node:timers/promises'

import { faults } from '@surefoot/testing'

import { countText, shareText } from '../scenarios/scenario.ts'
import type { ResultRow } from '../scenarios/scenario.ts'
import { questionOf, startFleet } from './socket-fleet.ts'

const LASTS_MS = 55_000
const CALM_MS = 3_000

/** One of two backends answers its health routes and nothing else, over real sockets. */
export async function wedgedOverSockets(): Promise<ResultRow> {
  await using fleet = await startFleet(2, { slots: 2, firstTokenMs: 20, tokensPerSecond: 500 }, { slots: 2 })
  const { surefoot, ollamas } = fleet
  const startedAtMs = performance.now()
  let [calls, answered] = [0, 0]
  const callers = Array.from({ length: 3 }, async () => {
    while (performance.now() - startedAtMs < LASTS_MS) {
      calls++
      const isAnswered = await surefoot.chat(questionOf(20)).then(
        () => true,
        () => false,
      )
      if (isAnswered) answered++
    }
  })
  await sleep(CALM_MS)
  const wedgedAtMs = performance.now()
  await ollamas[0]?.fault(faults.hang())
  let outAfterMs: number | undefined
  while (outAfterMs === undefined && performance.now() - startedAtMs < LASTS_MS) {
    const status = (await surefoot.backends())[0]
    if (status?.state.name === 'wedged' || status?.state.name === 'down') outAfterMs = performance.now() - wedgedAtMs
    await sleep(100)
  }
  await Promise.all(callers)
  const out = outAfterMs === undefined ? 'never out' : `out after ${(outAfterMs / 1_000).toFixed(1)} s`
  return {
    scenario: 'wedged backend over real sockets, one of 2',
    demanded: 'out within 90 s, callers ≥ 99.9 %',
    measured: `${out}; ${shareText(answered / calls)} of ${countText(calls)} calls answered`,
    holds: outAfterMs !== undefined && outAfterMs <= 90_000 && answered / calls >= 0.999,
  }
}
