import { ERROR_CODES } from '@surefoot/protocol'
import type { BackendHealth, BackendState, BackendStatus, ErrorCode } from '@surefoot/protocol'
import type { ReactNode } from 'react'

import { useNow } from '../clock.ts'

/** The state of a backend as the page names it. */
export type ShownState = BackendState | 'draining' | 'trying'

/** Signs beside the word, for those who do not see the colour. */
export const MARKS: Readonly<Record<ShownState, string>> = {
  up: '●',
  busy: '◉',
  loading: '◔',
  suspect: '?',
  wedged: '‖',
  'degraded-cpu': '◒',
  down: '✕',
  draining: '⇥',
  trying: '◐',
}

/** States that need no reason: nothing is wrong. */
const WELL: readonly ShownState[] = ['up', 'busy']

/**
 * What a backend is doing, in one word: that it is being drained says more than that it is up. The page looks after its
 * health more often than Surefoot does, and so may know first that it has gone.
 */
export function shownState({ state, draining, breaker }: BackendStatus, health: BackendHealth | undefined): ShownState {
  if (draining) return 'draining'
  if (state.name === 'down') return breaker.state === 'half-open' ? 'trying' : 'down'
  const isAway = health !== undefined && (!health.reachable || health.modelInstalled === false)
  return isAway && WELL.includes(state.name) ? 'down' : state.name
}

/** What the reason shows. */
export interface StateReasonProps {
  readonly backend: BackendStatus
  /** Puts the addresses that people know into a text. */
  readonly say: (text: string) => string
}

/** Why a backend is not simply up, and for how long it has been so. */
export function StateReason({ backend, say }: StateReasonProps): ReactNode {
  const { state, draining, inFlight } = backend
  const isShown = draining || !WELL.includes(state.name)
  const now = useNow(1000, isShown)
  if (!isShown) return null
  if (draining) {
    const left = inFlight === 0 ? 'nothing runs there now' : `${inFlight} still ${inFlight === 1 ? 'runs' : 'run'}`
    return <p className="state-reason">No new question goes there, {left}.</p>
  }
  const forMs = Math.max(0, now - state.sinceAtMs)
  const why = state.reason === undefined ? '' : `${say(wordsFor(state.reason))} `
  return (
    <p className="state-reason">
      {why}For {duration(forMs)}.
    </p>
  )
}

/** A reason is words, or the code of an error. */
function wordsFor(reason: string): string {
  const words = Object.hasOwn(ERROR_CODES, reason) ? ERROR_CODES[reason as ErrorCode].meaning : reason
  return `${words.charAt(0).toUpperCase()}${words.slice(1).replace(/[.!]?$/, '.')}`
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}
