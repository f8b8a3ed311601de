import type { BackendStatus, HealthReport, Surefoot } from '@surefoot/protocol'
import { useCallback, useEffect, useRef, useState } from 'react'

import type { DemoInfo } from '../../shared/demo-api.ts'
import { every } from '../clock.ts'
import { readDemoInfo } from '../demo-client.ts'

/** What the page knows of the machinery. */
export interface Engine {
  readonly info?: DemoInfo
  readonly backends: readonly BackendStatus[]
  readonly health?: HealthReport
  /** The demo's own process does not answer. */
  readonly isAway: boolean
  /** Asks now instead of at the next tick. */
  refresh(): void
}

type Seen = Omit<Engine, 'refresh'>

const PERIOD_MS = 1000
/** Health is cached for 30 s, which is long for somebody who watches; it is asked afresh every few ticks. */
const FRESH_EVERY_TICKS = 3

/** Looks at the machinery once a second while the page is visible; a slow answer is never overtaken. */
export function useEngine(surefoot: Surefoot): Engine {
  const [seen, setSeen] = useState<Seen>({ backends: [], isAway: false })
  const look = useRef<() => void>(() => {})

  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    let isLooking = false
    let ticks = 0
    const lookOnce = async (): Promise<void> => {
      if (isLooking || document.visibilityState === 'hidden') return
      isLooking = true
      const force = ticks++ % FRESH_EVERY_TICKS === 0
      try {
        const [info, backends, health] = await Promise.all([
          readDemoInfo(signal),
          surefoot.backends({ signal }),
          surefoot.health({ signal, force }),
        ])
        setSeen({ info, backends, health, isAway: false })
      } catch {
        if (!signal.aborted) setSeen((old) => ({ ...old, isAway: true }))
      } finally {
        isLooking = false
      }
    }
    look.current = () => {
      ticks = 0
      void lookOnce()
    }
    look.current()
    const stop = every(PERIOD_MS, () => void lookOnce())
    const onVisible = (): void => look.current()
    document.addEventListener('visibilitychange', onVisible)
    return () => {
      stop()
      controller.abort()
      document.removeEventListener('visibilitychange', onVisible)
    }
  }, [surefoot])

  const refresh = useCallback(() => look.current(), [])
  return { ...seen, refresh }
}
