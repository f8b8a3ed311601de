import type { ReactNode } from 'react'

import { withShownAddresses } from '../../shared/demo-api.ts'
import { AnswersCard } from './answers-card.tsx'
import { BackendCard } from './backend-card.tsx'
import { BreakBar } from './break-bar.tsx'
import { ExperimentCard } from './experiment-card.tsx'
import { Reliability } from './reliability.tsx'
import type { Engine } from './use-engine.ts'
import type { useReliabilityTest } from './use-reliability-test.ts'

/** What the engine room shows. */
export interface EngineRoomProps {
  readonly engine: Engine
  readonly reliability: ReturnType<typeof useReliabilityTest>
  /** Whether this page lets repeated questions be answered from the cache. */
  readonly mayRemember: boolean
  readonly onMayRemember: (may: boolean) => void
}

/** The machinery beside the chat: backends, breakers, the bar to break things, the reliability test. */
export function EngineRoom({ engine, reliability, mayRemember, onMayRemember }: EngineRoomProps): ReactNode {
  const { info, health, backends } = engine
  const known = info?.backends ?? []
  const say = (text: string): string => withShownAddresses(text, known)
  const isTesting = reliability.test.phase === 'running'
  return (
    <>
      <header className="engine-head">
        <h2>Engine room</h2>
        <p>
          {health === undefined ? 'looking …' : `${health.waiting} waiting`}
          {info !== undefined && ` · ${info.requests} asked of the backends, ${info.broken} broken on purpose`}
        </p>
      </header>
      {engine.isAway && (
        <p className="problem" role="alert">
          The demo does not answer. Start it again with <code>pnpm demo</code>.
        </p>
      )}
      {backends.map((backend) => (
        <BackendCard
          key={backend.url}
          name={say(backend.url)}
          backend={backend}
          health={health?.backends.find((found) => found.url === backend.url) ?? backend.health}
          model={health?.model ?? info?.model ?? ''}
          say={say}
          onChanged={engine.refresh}
        />
      ))}
      {info !== undefined && (
        <BreakBar
          mode={info.mode}
          isAlone={known.length === 1}
          hasOtherModel={info.ladder.models.length > 0}
          isLocked={isTesting}
          onChanged={engine.refresh}
        />
      )}
      {info !== undefined && <AnswersCard info={info} mayRemember={mayRemember} onMayRemember={onMayRemember} />}
      {engine.experiments.map((experiment) => (
        <ExperimentCard key={experiment.name} experiment={experiment} />
      ))}
      <Reliability
        isAllWell={info?.mode === 'none'}
        test={reliability.test}
        onStart={reliability.start}
        onStop={reliability.stop}
      />
    </>
  )
}
