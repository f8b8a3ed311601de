import type { BreakerStatus } from '@surefoot/protocol'
import type { ReactNode } from 'react'

import { useNow } from '../clock.ts'

const SAYS = {
  closed: 'closed',
  'half-open': 'half-open, one question tries',
  open: 'open',
} as const

/** Where the blade of the switch ends, by state. */
const BLADE = { closed: 'rotate(0)', 'half-open': 'rotate(-15)', open: 'rotate(-31)' } as const

/** The circuit breaker drawn as the switch it is named after, with its failures in a row and its countdown. */
export function BreakerDrawing({ breaker }: { readonly breaker: BreakerStatus }): ReactNode {
  const now = useNow(250, breaker.nextProbeAtMs !== undefined)
  const leftMs = breaker.nextProbeAtMs === undefined ? undefined : Math.max(0, breaker.nextProbeAtMs - now)
  const lamps = Math.max(5, breaker.failures)
  return (
    <div className="breaker" data-state={breaker.state} data-testid="breaker">
      <svg viewBox="28 0 164 56" aria-hidden="true" className="breaker-switch">
        <path className="wire" d="M30 44 H65 M155 44 H190" />
        <circle className="pole" cx="70" cy="44" r="5" />
        <circle className="pole" cx="150" cy="44" r="5" />
        <g transform="translate(70 44)">
          <path className="blade" d="M0 0 H78" transform={BLADE[breaker.state]} />
        </g>
        {breaker.state === 'half-open' && <path className="spark" d="M140 18 l-6 9 h7 l-6 9" />}
      </svg>
      <p className="breaker-says">
        <strong>Breaker {SAYS[breaker.state]}</strong>
        {leftMs !== undefined && <span> · tried again in {Math.ceil(leftMs / 1000)} s</span>}
        {breaker.state !== 'closed' && breaker.reason !== undefined && <span> · {breaker.reason}</span>}
      </p>
      <p className="breaker-row">
        <span aria-hidden="true" className="lamps">
          {Array.from({ length: Math.min(lamps, 12) }, (_, index) => (
            <i key={index} data-lit={index < breaker.failures} />
          ))}
        </span>
        {breaker.failures} {breaker.failures === 1 ? 'failure' : 'failures'} in a row
      </p>
    </div>
  )
}
