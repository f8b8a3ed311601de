import type { Estimate, ExperimentReport, VariantReport } from '@surefoot/protocol'
import type { ReactNode } from 'react'

/** What one row of the table says of a variant; `undefined` where there is nothing yet. */
interface Row {
  readonly word: string
  readonly of: (variant: VariantReport) => ReactNode
}

const percent = (share: number): string => `${Math.round(share * 100)}`

const ROWS: readonly Row[] = [
  { word: 'share', of: ({ share }) => `${percent(share)} %` },
  { word: 'calls', of: ({ calls, sessions }) => `${calls} by ${sessions} ${sessions === 1 ? 'visitor' : 'visitors'}` },
  { word: 'answered', of: ({ success }) => estimate(success, percent, '%') },
  { word: 'found good', of: ({ feedback }) => estimate(feedback, percent, '%') },
  { word: 'first token', of: ({ firstTokenMs }) => estimate(firstTokenMs, (ms) => `${Math.round(ms)}`, 'ms') },
  { word: 'tokens/s', of: ({ tokensPerSecond }) => estimate(tokensPerSecond, (pace) => `${Math.round(pace)}`) },
  { word: 'length', of: ({ answerTokens }) => estimate(answerTokens, (tokens) => `${Math.round(tokens)}`, 'tokens') },
]

const SHADOWS: Row = {
  word: 'shadows',
  of: ({ shadows }) => (
    <>
      {shadows.whole} of {shadows.begun} whole <small>{shadows.cancelled} cancelled</small>
    </>
  ),
}

/** One experiment: its variants side by side, each number with the range that it lies in with 95 % certainty. */
export function ExperimentCard({ experiment }: { readonly experiment: ExperimentReport }): ReactNode {
  const { name, model, goal, variants, winner, observed } = experiment
  const rows = variants.some(({ shadows }) => shadows.begun > 0) ? [...ROWS, SHADOWS] : ROWS
  return (
    <section className="card experiment" aria-label={`Experiment ${name}`} data-testid="experiment">
      <h3>
        Experiment: {name} <small>{model}</small>
      </h3>
      <p className="verdict" data-decided={winner !== undefined}>
        {winner === undefined ? (
          `No winner yet (${observed} ${observed === 1 ? 'session' : 'sessions'})`
        ) : (
          <span>
            <span aria-hidden="true">★ </span>
            Winner: <b>{winner}</b> ({observed} sessions)
          </span>
        )}
        <small>{goal === 'feedback' ? 'decided by the thumbs' : 'decided by the answers given'}</small>
      </p>
      <div className="variants" role="region" aria-label={`Numbers of the experiment ${name}`} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <td />
              {variants.map((variant) => (
                <th key={variant.name} scope="col" data-winner={variant.name === winner}>
                  {variant.name}
                  {variant.model !== model && <small>{variant.model}</small>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ word, of }) => (
              <tr key={word}>
                <th scope="row">{word}</th>
                {variants.map((variant) => (
                  <td key={variant.name}>{of(variant)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function estimate(found: Estimate | undefined, print: (value: number) => string, unit = ''): ReactNode {
  if (found === undefined || found.count === 0) return <span title="Nothing measured yet">–</span>
  const { value, low, high, count } = found
  return (
    <span title={`From ${count} ${count === 1 ? 'observation' : 'observations'}; range with 95 % certainty`}>
      {print(value)}
      {unit === '' ? '' : ` ${unit}`} <small>{`${print(low)}–${print(high)}`}</small>
    </span>
  )
}
