import { expect, it } from 'vitest'

import { runReliabilityTest, type ReliabilityDeps } from './reliability-test.ts'
import type { ReliabilityEvent } from './shared/demo-api.ts'

function deps(change: Partial<ReliabilityDeps> = {}): ReliabilityDeps {
  return {
    questions: ['What is water?', 'Why?'],
    patienceMs: 5000,
    warmUp: () => Promise.resolve(),
    straight: () => Promise.resolve({ ok: true, tookMs: 100 }),
    surefoot: () => Promise.resolve({ ok: true, tookMs: 100 }),
    ...change,
  }
}

async function eventsOf(change: Partial<ReliabilityDeps>): Promise<ReliabilityEvent[]> {
  const events: ReliabilityEvent[] = []
  await runReliabilityTest(deps(change), (event) => events.push(event), new AbortController().signal)
  return events
}

it('asks 10 in turn and 20 at once on each side, and ends with both rates', async () => {
  let asked = 0
  const events = await eventsOf({
    straight: () =>
      Promise.resolve(asked++ % 2 === 0 ? { ok: false, tookMs: 1, problem: 'No.' } : { ok: true, tookMs: 1 }),
  })
  expect(events.filter((event) => event.type === 'result')).toHaveLength(60)
  expect(events[0]).toEqual({ type: 'warm-up' })
  expect(events.at(-1)).toEqual({ type: 'end', rates: { straight: 0.5, surefoot: 1 } })
})

it('asks in turn what is asked in turn, and at once what is asked at once', async () => {
  let inFlight = 0
  let most = 0
  const seen: number[] = []
  await eventsOf({
    surefoot: async () => {
      most = Math.max(most, ++inFlight)
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(most)
      inFlight--
      return { ok: true, tookMs: 1 }
    },
  })
  expect(seen.slice(0, 10).every((count) => count === 1)).toBe(true)
  expect(most).toBe(20)
})

it('gives the naive client time for the line it waits in, measured and not guessed', async () => {
  const patience: number[] = []
  await eventsOf({
    straight: (_question, patienceMs) => {
      patience.push(patienceMs)
      return Promise.resolve({ ok: true, tookMs: 300 })
    },
  })
  expect(patience[0]).toBe(5000)
  expect(patience.at(-1)).toBe(5000 + 20 * 300)
})

it('ends when the page goes away', async () => {
  const controller = new AbortController()
  let asked = 0
  const straight = (): Promise<{ ok: true; tookMs: number }> => {
    if (++asked === 3) controller.abort()
    return Promise.resolve({ ok: true, tookMs: 1 })
  }
  await expect(runReliabilityTest(deps({ straight }), () => {}, controller.signal)).rejects.toThrow()
  expect(asked).toBe(3)
})
