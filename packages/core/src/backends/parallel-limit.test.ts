import { createSeededRandom } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ParallelLimit } from './parallel-limit.ts'
import type { Seat } from './parallel-limit.ts'

/**
 * Plays an Ollama that serves `parallel` calls at a time and queues the rest, before which so many callers always wait.
 * Answers take `holdMs` with the first token after `ttftMs`, each within a factor of two.
 */
function serve(limit: ParallelLimit, { parallel = 1, holdMs = 4_000, ttftMs = 200, calls = 300, seed = 1 } = {}) {
  const random = createSeededRandom(seed)
  const around = (ms: number): number => ms * (0.5 + random.next())
  const events: { readonly atMs: number; readonly fire: (nowMs: number) => void }[] = []
  const at = (atMs: number, fire: (nowMs: number) => void): void => {
    events.push({ atMs, fire })
    events.sort((a, b) => a.atMs - b.atMs)
  }
  const inside: Seat[] = []
  let serving = 0
  let left = calls
  let trials = 0
  const startInside = (nowMs: number): void => {
    while (serving < parallel && inside.length > 0) {
      const seat = inside.shift()!
      serving++
      at(nowMs + around(ttftMs), (tokenAtMs) => {
        seat.firstToken(tokenAtMs)
        at(tokenAtMs + around(holdMs), (endedAtMs) => {
          seat.giveBack(endedAtMs)
          serving--
          step(endedAtMs)
        })
        step(tokenAtMs)
      })
    }
  }
  const step = (nowMs: number): void => {
    while (left > 0 && (limit.held < limit.limit || limit.mayTry(nowMs))) {
      if (limit.held >= limit.limit) trials++
      left--
      inside.push(limit.take(nowMs))
    }
    startInside(nowMs)
  }
  step(0)
  for (let next = events.shift(); next !== undefined; next = events.shift()) next.fire(next.atMs)
  return { trials }
}

describe('how many calls an Ollama serves at a time', () => {
  it.each([1, 2, 4, 7])('%i are found', (parallel) => {
    const limit = new ParallelLimit(1, 20)
    serve(limit, { parallel })
    expect(limit.limit).toBe(parallel)
    expect(limit.held).toBe(0)
  })

  it('one too many is sent rarely: once in ten minutes at first, then ever more rarely', () => {
    const limit = new ParallelLimit(1, 20)
    // 4,000 answers of 4.2 s are 280 minutes: tried at 0, 10, 30, 70, 150 and 270.
    expect(serve(limit, { calls: 4_000 }).trials).toBeLessThanOrEqual(6)
    expect(limit.limit).toBe(1)
  })

  it('never more than the pool', () => {
    const limit = new ParallelLimit(1, 3)
    serve(limit, { parallel: 8 })
    expect(limit.limit).toBe(3)
  })

  it('fewer than before are found out too', () => {
    const limit = new ParallelLimit(1, 20)
    serve(limit, { parallel: 4 })
    expect(limit.limit).toBe(4)
    serve(limit, { parallel: 1 })
    expect(limit.limit).toBe(1)
  })

  it.each([1, 2, 3, 4, 5])('short answers with a long wait for the first token do not mislead it, seed %i', (seed) => {
    const limit = new ParallelLimit(1, 20)
    serve(limit, { parallel: 1, holdMs: 300, ttftMs: 300, calls: 2_000, seed })
    expect(limit.limit).toBe(1)
  })

  it('a call that may stand in the queue of the Ollama says so, until those before it have ended', () => {
    const limit = new ParallelLimit(1, 20)
    const first = limit.take(0)
    expect(first.queuedInside).toBe(false)
    first.firstToken(100)
    const trial = limit.take(200)
    expect(trial.queuedInside).toBe(true)
    first.giveBack(1_000)
    expect(trial.queuedInside).toBe(false)
    trial.firstToken(1_100)
    trial.giveBack(2_000)
    expect(limit.limit).toBe(1)
  })

  it('is not put to the test beside a call that has left, nor judged by one', () => {
    const limit = new ParallelLimit(1, 20)
    const first = limit.take(0)
    first.firstToken(100)
    first.left()
    expect(limit.mayTry(110)).toBe(false)
    first.giveBack(200)
    const second = limit.take(200)
    second.firstToken(300)
    const trial = limit.take(300)
    second.left()
    trial.firstToken(350)
    expect(limit.limit).toBe(1)
  })

  it('is put to the test only beside calls that are being served', () => {
    const limit = new ParallelLimit(1, 20)
    const first = limit.take(0)
    expect(limit.mayTry(10)).toBe(false)
    first.firstToken(100)
    expect(limit.mayTry(110)).toBe(true)
    limit.take(120)
    expect(limit.mayTry(130)).toBe(false)
  })
})
