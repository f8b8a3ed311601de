import type { ReactNode } from 'react'

import type { Engine } from './engine/use-engine.ts'

/** What the strip shows and does. */
export interface StatusStripProps {
  readonly engine: Engine
  readonly isOpen: boolean
  readonly onToggle: () => void
}

/** On a narrow screen the way to the engine room, and its state in one line. */
export function StatusStrip({ engine, isOpen, onToggle }: StatusStripProps): ReactNode {
  const { backends, health, info, isAway } = engine
  const breaker = backends.find((backend) => backend.breaker.state !== 'closed')?.breaker.state ?? 'closed'
  const status = isAway ? 'away' : (health?.status ?? 'looking …')
  const isBroken = info !== undefined && info.mode !== 'none'
  return (
    <button
      type="button"
      className="status-strip"
      aria-expanded={isOpen}
      aria-controls="engine-room"
      data-status={status}
      onClick={onToggle}
    >
      <span className="strip-dot" aria-hidden="true" />
      <span>
        Backend {status} · breaker {breaker}
        {isBroken && (
          <>
            <span aria-hidden="true"> ⚠</span>
            <span className="visually-hidden">, something is broken on purpose</span>
          </>
        )}
      </span>
      <b>{isOpen ? 'Back to class' : 'Engine room'}</b>
    </button>
  )
}
