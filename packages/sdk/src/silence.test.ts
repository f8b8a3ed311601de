import { expect, test, vi } from 'vitest'

import type { SdkRuntime } from './runtime/runtime.ts'
import { watchSilence } from './silence.ts'

const SILENCE_MS = 90

/** Time that passes when the test says so. */
function createTime() {
  let nowMs = 0
  const timers = new Map<() => void, number>()
  const runtime: SdkRuntime = {
    nowIso: () => '',
    newId: () => '',
    fetch: () => Promise.reject(new Error('no network')),
    setTimer(delayMs, fire) {
      timers.set(fire, nowMs + delayMs)
      return () => void timers.delete(fire)
    },
  }
  const advance = (ms: number): void => {
    for (const end = nowMs + ms; nowMs < end;) {
      nowMs++
      for (const [fire, at] of timers) if (at <= nowMs && timers.delete(fire)) fire()
    }
  }
  return { runtime, advance, timers, now: () => nowMs }
}

function watch() {
  const time = createTime()
  const onDead = vi.fn<() => void>()
  let beats = 0
  const end = watchSilence({ silenceMs: SILENCE_MS, heard: () => beats, onDead }, time.runtime)
  return { ...time, onDead, end, beat: () => void beats++ }
}

test('silence from the start ends it after exactly the limit, once', () => {
  const { advance, onDead, timers } = watch()
  advance(SILENCE_MS - 1)
  expect(onDead).not.toHaveBeenCalled()
  advance(1)
  expect(onDead).toHaveBeenCalledTimes(1)
  expect(timers.size).toBe(0)
  advance(1000)
  expect(onDead).toHaveBeenCalledTimes(1)
})

test('wherever between two ticks the last byte comes: not before the limit, and at most a third after it', () => {
  for (let at = 1; at <= SILENCE_MS; at++) {
    const { advance, onDead, beat, now } = watch()
    advance(at - 1)
    beat()
    const lastMs = now()
    while (onDead.mock.calls.length === 0) advance(1)
    expect(now() - lastMs).toBeGreaterThanOrEqual(SILENCE_MS)
    expect(now() - lastMs).toBeLessThanOrEqual((SILENCE_MS * 4) / 3)
  }
})

test('a byte each tick keeps it alive with one timer', () => {
  const { advance, onDead, beat, timers } = watch()
  for (let count = 0; count < 1000; count++) {
    beat()
    advance(SILENCE_MS / 3)
    expect(timers.size).toBe(1)
  }
  expect(onDead).not.toHaveBeenCalled()
})

test('ended, it leaves no timer', () => {
  const { advance, onDead, end, timers } = watch()
  advance(50)
  end()
  expect(timers.size).toBe(0)
  advance(1000)
  expect(onDead).not.toHaveBeenCalled()
})
