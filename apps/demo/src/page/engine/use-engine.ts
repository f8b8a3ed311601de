import type { BackendStatus, ExperimentReport, HealthReport, Surefoot } from '@surefoot/protocol'
import { useCallback, useEffect, useRef, useState } from 'react'

import type { DemoInfo } from '../../shared/demo-api.ts'
import { after, every } from '../clock.ts'
import { readDemoInfo } from '../demo-client.ts'

/** What the page knows of the machinery. */
export interface Engine {
  readonly info?: DemoInfo
  readonly backends: readonly BackendStatus[]
  readonly health?: HealthReport
  readonly experiments: readonly ExperimentReport[]
  /** The demo's own process does not answer. */
  readonly isAway: boolean
  /** Looks now, or right after a look that is under way, and once more when things have settled. */
  refresh(): void
}

type Seen = Omit<Engine, 'refresh'>

const PERIOD_MS = 1000
/** Health is cached for 30 s, which is long for somebody who watches; it is asked afresh every few ticks. */
const FRESH_EVERY_TICKS = 3
/** A stopped answer frees its slot only when the server has seen its connection close. */
const SETTLED_AFTER_MS = 150

/** Looks at the machinery once a second while the page is visible; a slow answer is never overtaken. */
export function useEngine(surefoot: Surefoot): Engine {
  const [seen, setSeen] = useState<Seen>({ backends: [], experiments: [], isAway: false })
  const refreshNow = useRef<() => void>(() => {})

  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    let isLooking = false
    // What a look under way finds may be older than what one wants to see.
    let isWanted = false
    let ticks = 0
    const lookOnce = async (): Promise<void> => {
      if (isLooking || document.visibilityState === 'hidden') return
      isLooking = true
      const force = ticks++ % FRESH_EVERY_TICKS === 0
      try {
        const [info, backends, health, experiments] = await Promise.all([
          readDemoInfo(signal),
          surefoot.backends({ signal }),
          surefoot.health({ signal, force }),
          surefoot.experiments({ signal }),
        ])
        setSeen({ info, backends, health, experiments, isAway: false })
      } catch {
        if (!signal.aborted) setSeen((old) => ({ ...old, isAway: true }))
      } finally {
        isLooking = false
        if (isWanted && !signal.aborted) lookAfresh()
      }
    }
    const lookAfresh = (): void => {
      ticks = 0
      isWanted = isLooking
      void lookOnce()
    }
    let stopSettling = (): void => {}
    refreshNow.current = () => {
      lookAfresh()
      stopSettling()
      stopSettling = after(SETTLED_AFTER_MS, lookAfresh)
    }
    lookAfresh()
    const stop = every(PERIOD_MS, () => void lookOnce())
    document.addEventListener('visibilitychange', lookAfresh)
    return () => {
      stop()
      stopSettling()
      controller.abort()
      document.removeEventListener('visibilitychange', lookAfresh)
    }
  }, [surefoot])

  const refresh = useCallback(() => refreshNow.current(), [])
  return { ...seen, refresh }
}
