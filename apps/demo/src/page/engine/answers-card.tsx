import type { Served } from '@surefoot/protocol'
import type { ReactNode } from 'react'

import type { CacheNumbers, DemoInfo } from '../../shared/demo-api.ts'
import { SERVED_MARKS } from '../chat/came-about.ts'

/** What the card shows and does. */
export interface AnswersCardProps {
  readonly info: DemoInfo
  readonly mayRemember: boolean
  readonly onMayRemember: (may: boolean) => void
}

const WORDS: Readonly<Record<Served, string>> = {
  model: 'the model',
  cache: 'the cache',
  degraded: 'another model',
  fallback: 'fallback reply',
}
const WAYS = Object.keys(WORDS) as Served[]

/** Where the answers came from since the demo began, and where they come from when the model cannot give them. */
export function AnswersCard({ info, mayRemember, onMayRemember }: AnswersCardProps): ReactNode {
  const { answers, hasCache, cache } = info
  const all = WAYS.reduce((sum, way) => sum + answers[way], 0)
  return (
    <section className="card" aria-labelledby="answers-title">
      <h3 id="answers-title">How answers came about</h3>
      <dl className="ways">
        {WAYS.map((way) => (
          <div key={way} data-way={way} data-none={answers[way] === 0}>
            <dt>
              <span aria-hidden="true">{SERVED_MARKS[way]}</span> {WORDS[way]}
            </dt>
            <dd data-testid={`answers-${way}`}>{answers[way]}</dd>
          </div>
        ))}
      </dl>
      {all > 0 && answers.cache > 0 && (
        <p className="card-says">
          {answers.cache} of {all} ({Math.round((answers.cache / all) * 100)} %) came without asking a model.
        </p>
      )}
      {cache !== undefined && <p className="card-says">{cacheWords(cache)}</p>}
      <p className="card-says">{ladderWords(info)}</p>
      {hasCache && (
        <label className="switch">
          <input
            type="checkbox"
            role="switch"
            checked={mayRemember}
            onChange={(event) => onMayRemember(event.target.checked)}
          />
          <span>Answer repeated questions from the cache</span>
        </label>
      )}
    </section>
  )
}

function cacheWords({ entries, bytes, joined }: CacheNumbers): string {
  const kept = `${entries} ${entries === 1 ? 'answer' : 'answers'} kept, ${(bytes / 1024).toFixed(1)} KiB`
  return joined === 0 ? `${kept}.` : `${kept}; ${joined} shared while it was being written.`
}

function ladderWords({ model, ladder }: DemoInfo): string {
  const steps = [
    ...ladder.models,
    ...(ladder.cache ? ['an older answer to the same question'] : []),
    'a fallback reply',
  ]
  return `When ${model} cannot answer: ${steps.join(', then ')}.`
}
