import { faults } from '@surefoot/testing'
import type { Fault } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, inParallel, median, startPair } from './setup.ts'
import type { Pair } from './setup.ts'

const CALLS = 200

/** Failures that cost the backend nothing: rescued at once. */
const cheap: Record<string, Fault> = {
  refused: faults.refuse({ every: 2 }),
  'reset before headers': faults.resetBeforeHeaders({ every: 2 }),
  'reset on the reused socket': faults.resetReused({ every: 2 }),
  '500': faults.internal({ every: 2 }),
  '503 as plain text': faults.unavailable({ every: 2 }),
}

/** Overload: the same backend is not asked again at once. */
const overload: Record<string, Fault> = {
  '503 busy': faults.busy({ every: 2 }),
  '429 with Retry-After': faults.tooMany(0, { every: 2 }),
}

async function askAll({ surefoot }: Pair, width: number): Promise<{ readonly rescued: number }> {
  let rescued = 0
  await inParallel(CALLS, width, async (index) => {
    const answer = await surefoot.chat(`number ${index}`)
    expect(answer).toMatchObject({ done: true, served: 'model', message: { content: answerTo(`number ${index}`) } })
    if (answer.attempts > 1) rescued++
  })
  return { rescued }
}

/** From each failure that another attempt follows to that attempt, in milliseconds. */
function watchDelays({ surefoot }: Pair): number[] {
  const delays: number[] = []
  surefoot.telemetry.on((event) => {
    if (event.type === 'attempt-fail' && event.waitMs !== undefined) delays.push(event.waitMs)
  })
  return delays
}

describe('one backend of which every second request fails', () => {
  for (const [kind, fault] of Object.entries(cheap)) {
    it(`${kind}: ${CALLS} of ${CALLS} one after the other, each rescued within 20 ms`, async () => {
      await using pair = await startPair()
      await pair.ollama.fault(fault)
      const rescues: number[] = []
      for (let index = 0; index < CALLS; index++) {
        const run = pair.surefoot.run(`number ${index}`, { buffered: true })
        let failedAtMs: number | undefined
        const stop = pair.surefoot.telemetry.on((event) => {
          if (event.type === 'attempt-fail' && event.id === run.id) failedAtMs = performance.now()
        })
        for await (const event of run) {
          if (event.type === 'attempt' && failedAtMs !== undefined) rescues.push(performance.now() - failedAtMs)
        }
        stop()
        expect((await run.answer).message.content).toBe(answerTo(`number ${index}`))
      }
      expect(rescues.length).toBeGreaterThan(50)
      expect(median(rescues)).toBeLessThanOrEqual(20)
    })

    it(`${kind}: ${CALLS} of ${CALLS}, 20 at a time`, async () => {
      await using pair = await startPair({ slots: 4 }, { slots: 4, retryDelayMs: 50 })
      await pair.ollama.fault(fault)
      expect((await askAll(pair, 20)).rescued).toBeGreaterThan(20)
    })
  }

  for (const [kind, fault] of Object.entries(overload)) {
    it(`${kind}: ${CALLS} of ${CALLS} one after the other, each after the wait`, async () => {
      await using pair = await startPair({}, { retryDelayMs: 5 })
      await pair.ollama.fault(fault)
      const delays = watchDelays(pair)
      expect((await askAll(pair, 1)).rescued).toBe(CALLS - 1)
      expect(delays.length).toBe(CALLS - 1)
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(4)
    })

    it(`${kind}: ${CALLS} of ${CALLS}, 20 at a time`, async () => {
      await using pair = await startPair({ slots: 4 }, { slots: 4, retryDelayMs: 5 })
      await pair.ollama.fault(fault)
      expect((await askAll(pair, 20)).rescued).toBeGreaterThan(20)
    })
  }

  it('Retry-After is waited for', async () => {
    await using pair = await startPair({}, { retryDelayMs: 1 })
    await pair.ollama.fault(faults.status(429, { times: 1, headers: { 'Retry-After': '0.3' } }))
    const startMs = performance.now()
    expect((await pair.surefoot.chat('wait')).attempts).toBe(2)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(299)
  })
})
