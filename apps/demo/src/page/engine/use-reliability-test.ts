import { useCallback, useEffect, useRef, useState } from 'react'

import { TEST_SIZES, type ReliabilityEvent, type TestLoad, type TestSide } from '../../shared/demo-api.ts'
import { requestReliabilityTest } from '../demo-client.ts'

/** One question of the test: not asked yet, on its way, or how it ended. */
export type Dot = { readonly state: 'idle' | 'asked' | 'ok' | 'failed'; readonly title: string }

/** All that is known of the test so far. */
export interface ReliabilityState {
  readonly phase: 'idle' | 'running' | 'done' | 'failed'
  /** What it is doing, or why it failed; one sentence. */
  readonly says: string
  readonly dots: Readonly<Record<TestSide, Readonly<Record<TestLoad, readonly Dot[]>>>>
}

const LOADS: Readonly<Record<TestLoad, string>> = {
  sequential: `${TEST_SIZES.sequential} one after the other`,
  concurrent: `${TEST_SIZES.concurrent} at once`,
}

const SIDES: Readonly<Record<TestSide, string>> = { straight: 'straight to the backend', surefoot: 'through Surefoot' }

/** A test that has not run. */
export function idleTest(): ReliabilityState {
  return { phase: 'idle', says: '', dots: { straight: idleSide(), surefoot: idleSide() } }
}

/** The test after one of its events. */
export function testAfterEvent(state: ReliabilityState, event: ReliabilityEvent): ReliabilityState {
  switch (event.type) {
    case 'warm-up':
      return { ...idleTest(), phase: 'running', says: 'Getting the model into memory …' }
    case 'phase': {
      const { side, load } = event
      const asked = state.dots[side][load].map((): Dot => ({ state: 'asked', title: 'on its way' }))
      return {
        ...withDots(state, side, load, load === 'concurrent' ? asked : state.dots[side][load]),
        says: `Asking ${LOADS[load]}, ${SIDES[side]} …`,
      }
    }
    case 'result': {
      const { side, load, index, ok, tookMs, otherModel, problem } = event
      const took = `${(tookMs / 1000).toFixed(1)} s`
      const dot: Dot = ok
        ? { state: 'ok', title: `whole answer in ${took}${otherModel === undefined ? '' : `, of ${otherModel}`}` }
        : { state: 'failed', title: `${problem ?? 'failed'} (${took})` }
      return withDots(state, side, load, state.dots[side][load].with(index, dot))
    }
    case 'end': {
      const percent = (side: TestSide): string => `${Math.round(event.rates[side] * 100)} %`
      const says = `Done: ${percent('straight')} whole answers straight, ${percent('surefoot')} through Surefoot.`
      return { ...state, phase: 'done', says }
    }
    case 'error':
      return { ...state, phase: 'failed', says: event.message }
  }
}

/** Whole answers among the ones that ended, and how many of them ended. */
export function rateOf(state: ReliabilityState, side: TestSide): { readonly ok: number; readonly ended: number } {
  const dots = [...state.dots[side].sequential, ...state.dots[side].concurrent]
  const ok = dots.filter((dot) => dot.state === 'ok').length
  return { ok, ended: ok + dots.filter((dot) => dot.state === 'failed').length }
}

/** The reliability test, to be started and stopped from the page; calls `onEnd` after each run. */
export function useReliabilityTest(onEnd: () => void): {
  readonly test: ReliabilityState
  start(): void
  stop(): void
} {
  const [test, setTest] = useState(idleTest)
  const running = useRef<AbortController | undefined>(undefined)
  const stop = useCallback(() => running.current?.abort(), [])
  useEffect(() => stop, [stop])

  const start = useCallback(() => {
    if (running.current !== undefined) return
    const controller = new AbortController()
    running.current = controller
    setTest({ ...idleTest(), phase: 'running', says: 'Starting …' })
    requestReliabilityTest((event) => setTest((state) => testAfterEvent(state, event)), controller.signal)
      .then(() => setTest((state) => (state.phase === 'running' ? { ...state, phase: 'failed', says: LOST } : state)))
      .catch((error: unknown) => {
        if (controller.signal.aborted) setTest(idleTest())
        else setTest((state) => ({ ...state, phase: 'failed', says: error instanceof Error ? error.message : LOST }))
      })
      .finally(() => {
        running.current = undefined
        onEnd()
      })
  }, [onEnd])
  return { test, start, stop }
}

const LOST = 'The test broke off before its end. Is the demo still running?'

function idleSide(): Record<TestLoad, Dot[]> {
  const idle = (count: number): Dot[] =>
    Array.from({ length: count }, () => ({ state: 'idle', title: 'not asked yet' }))
  return { sequential: idle(TEST_SIZES.sequential), concurrent: idle(TEST_SIZES.concurrent) }
}

function withDots(state: ReliabilityState, side: TestSide, load: TestLoad, dots: readonly Dot[]): ReliabilityState {
  return { ...state, dots: { ...state.dots, [side]: { ...state.dots[side], [load]: dots } } }
}
