import type { ReactNode } from 'react'

import { TEST_SIZES, type TestLoad, type TestSide } from '../../shared/demo-api.ts'
import { rateOf, type Dot, type ReliabilityState } from './use-reliability-test.ts'

const TITLES: Readonly<Record<TestSide, string>> = { straight: 'Straight', surefoot: 'Through Surefoot' }
const LOADS: readonly TestLoad[] = ['sequential', 'concurrent']

/** What the reliability panel shows and does. */
export interface ReliabilityProps {
  /** Nothing is pressed on the break bar, and so there is no difference to see. */
  readonly isAllWell: boolean
  readonly test: ReliabilityState
  readonly onStart: () => void
  readonly onStop: () => void
}

/** The same questions asked straight and through Surefoot, and the two success rates side by side. */
export function Reliability({ isAllWell, test, onStart, onStop }: ReliabilityProps): ReactNode {
  const isRunning = test.phase === 'running'
  return (
    <section className="reliability" aria-labelledby="reliability-title" data-phase={test.phase}>
      <header>
        <h3 id="reliability-title">Reliability test</h3>
        <button type="button" className="run-test" onClick={isRunning ? onStop : onStart}>
          {isRunning ? 'Stop the test' : test.phase === 'idle' ? 'Run the test' : 'Run it again'}
        </button>
      </header>
      <p className="reliability-says" role="status">
        {test.says === ''
          ? `${TEST_SIZES.sequential} questions one after the other and ${TEST_SIZES.concurrent} at once, asked twice.`
          : test.says}
      </p>
      {isAllWell && !isRunning && (
        <p className="reliability-says">
          Nothing is broken now, so both sides will be whole: press <b>Every 2nd fails</b> first to see a difference.
        </p>
      )}
      <div className="sides">
        <Side side="straight" test={test} />
        <Side side="surefoot" test={test} />
      </div>
    </section>
  )
}

function Side({ side, test }: { readonly side: TestSide; readonly test: ReliabilityState }): ReactNode {
  const { ok, ended } = rateOf(test, side)
  const percent = ended === 0 ? undefined : Math.round((ok / ended) * 100)
  return (
    <div className="side" data-side={side} data-all={percent === 100}>
      <h4>{TITLES[side]}</h4>
      <p className="rate" data-testid={`rate-${side}`}>
        {percent === undefined ? '–' : percent}
        <small>{percent === undefined ? '' : ' %'}</small>
      </p>
      <p className="rate-of">{ended === 0 ? 'not run yet' : `${ok} of ${ended} whole answers`}</p>
      {LOADS.map((load) => (
        <Dots key={load} label={load === 'sequential' ? 'in turn' : 'at once'} dots={test.dots[side][load]} />
      ))}
    </div>
  )
}

function Dots({ label, dots }: { readonly label: string; readonly dots: readonly Dot[] }): ReactNode {
  return (
    <div className="dots-row">
      <span>{label}</span>
      <ul className="dots">
        {dots.map((dot, index) => (
          <li key={index} data-state={dot.state} title={`Question ${index + 1}: ${dot.title}`} />
        ))}
      </ul>
    </div>
  )
}
