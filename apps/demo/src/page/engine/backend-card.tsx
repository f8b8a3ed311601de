import type { BackendHealth, BackendStatus } from '@surefoot/protocol'
import type { ReactNode } from 'react'

import { WithCode } from '../with-code.tsx'
import { BreakerDrawing } from './breaker-drawing.tsx'

/** What a backend card shows. */
export interface BackendCardProps {
  readonly name: string
  readonly backend: BackendStatus
  readonly health: BackendHealth | undefined
  readonly model: string
  /** Puts the addresses that people know into a text. */
  readonly say: (text: string) => string
}

/** One backend: whether it is there, what it has, what it does, and its breaker. */
export function BackendCard({ name, backend, health, model, say }: BackendCardProps): ReactNode {
  const { inFlight, slots, attempts } = backend
  const state = stateOf(backend, health)
  return (
    <article className="backend" data-state={state} data-testid="backend" aria-label={`Backend ${name}`}>
      <header>
        <span className="state-mark" aria-hidden="true">
          {MARKS[state]}
        </span>
        <strong>{state}</strong>
        <code>{name}</code>
        {health?.latencyMs !== undefined && health.reachable && (
          <span className="latency" title="Round trip of the last health check">
            {health.latencyMs < 10 ? health.latencyMs.toFixed(1) : Math.round(health.latencyMs)} ms
          </span>
        )}
      </header>
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

type CardState = 'up' | 'paused' | 'trying' | 'down' | 'unknown'

const MARKS: Readonly<Record<CardState, string>> = { up: '●', paused: '‖', trying: '◐', down: '✕', unknown: '○' }

function stateOf(backend: BackendStatus, health: BackendHealth | undefined): CardState {
  if (health === undefined) return 'unknown'
  if (!health.reachable || health.modelInstalled === false) return 'down'
  const states = { closed: 'up', open: 'paused', 'half-open': 'trying' } as const
  return states[backend.breaker.state]
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
