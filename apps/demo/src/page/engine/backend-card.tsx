import type { BackendHealth, BackendStatus } from '@surefoot/protocol'
import type { ReactNode } from 'react'

import { WithCode } from '../with-code.tsx'
import { MARKS, shownState, StateReason } from './backend-state.tsx'
import { BreakerDrawing } from './breaker-drawing.tsx'
import { DrainButton } from './drain-button.tsx'

/** What a backend card shows. */
export interface BackendCardProps {
  readonly name: string
  readonly backend: BackendStatus
  readonly health: BackendHealth | undefined
  readonly model: string
  /** Puts the addresses that people know into a text. */
  readonly say: (text: string) => string
  readonly onChanged: () => void
}

/** One backend: whether it is there, what it has, what it does, and its breaker. */
export function BackendCard({ name, backend, health, model, say, onChanged }: BackendCardProps): ReactNode {
  const { inFlight, slots, attempts } = backend
  const state = shownState(backend, health)
  return (
    <article className="backend" data-state={state} data-testid="backend" aria-label={`Backend ${name}`}>
      <header>
        <span className="state-mark" aria-hidden="true">
          {MARKS[state]}
        </span>
        <strong>{state}</strong>
        <code>{name.replace(/^https?:\/\//, '')}</code>
        <DrainButton backend={backend} name={name} onChanged={onChanged} />
      </header>
      <StateReason backend={backend} say={say} />
      <p className="facts">
        <span>{model}</span>
        {health?.modelInstalled === undefined ? (
          <span>not known</span>
        ) : (
          <>
            <Fact word="installed" is={health.modelInstalled} />
            <Fact word="in memory" is={health.modelInMemory} />
          </>
        )}
        {health?.latencyMs !== undefined && health.reachable && (
          <span className="latency" title="Round trip of the last health check">
            {health.latencyMs < 10 ? health.latencyMs.toFixed(1) : Math.round(health.latencyMs)} ms
          </span>
        )}
      </p>
      <p className="facts">
        <span>
          <span className="slots" aria-hidden="true">
            {Array.from({ length: Math.min(slots, 16) }, (_, index) => (
              <i key={index} data-busy={index < inFlight} />
            ))}
          </span>
          {inFlight} of {slots} {slots === 1 ? 'slot' : 'slots'} in use
        </span>
        <span>
          <span className="good">{attempts.succeeded} ok</span>,{' '}
          <span className={attempts.failed > 0 ? 'bad' : ''}>{attempts.failed} failed</span>
          {attempts.neutral > 0 && (
            <span title="Stopped by whoever asked, put off as busy, or no fault of the backend">
              , {attempts.neutral} not counted
            </span>
          )}
        </span>
      </p>
      {health?.problem !== undefined && (
        <p className="problem">
          <WithCode text={say(health.problem)} />
        </p>
      )}
      <BreakerDrawing breaker={backend.breaker} />
    </article>
  )
}

function Fact({ word, is }: { readonly word: string; readonly is: boolean | undefined }): ReactNode {
  const mark = is === undefined ? '?' : is ? '✓' : '✕'
  const says = is === undefined ? `${word}: unknown` : is ? word : `not ${word}`
  return (
    <span className="fact" data-is={String(is)}>
      <span aria-hidden="true">{mark}</span> {says}
    </span>
  )
}
