import { Fragment, type ReactNode, type ToggleEvent } from 'react'

import type { CameAbout } from './came-about.ts'
import { seconds } from './durations.ts'
import type { Turn } from './turn.ts'

/** What the foot line shows. */
export interface FootLineProps {
  readonly turn: Turn
  readonly about: CameAbout
  readonly say: (text: string) => string
}

/** How the answer came about, in one line; opened, it shows every step on the way. */
export function FootLine({ turn, about, say }: FootLineProps): ReactNode {
  const facts = [
    turn.attempts > 0 && { is: 'attempts', says: `${turn.attempts} ${turn.attempts === 1 ? 'attempt' : 'attempts'}` },
    turn.backend !== undefined && { is: 'at', says: withoutScheme(say(turn.backend)) },
    turn.firstTokenMs !== undefined && { is: 'first', says: `first token ${seconds(turn.firstTokenMs)}` },
    turn.tokensPerSecond !== undefined && { is: 'pace', says: `${Math.round(turn.tokensPerSecond)} tokens/s` },
    turn.tookMs !== undefined && { is: 'took', says: `${seconds(turn.tookMs)} in all` },
  ].filter((fact) => fact !== false)
  return (
    <details className="foot" onToggle={bringIntoView}>
      <summary>
        <b data-served={about.kind}>
          <span aria-hidden="true">{about.mark} </span>
          {about.label}
        </b>
        {facts.map(({ is, says }) => (
          // The space is where the line may break.
          <Fragment key={is}>
            {' '}
            <span className={is}>{says}</span>
          </Fragment>
        ))}
      </summary>
      <ol className="trail">
        {turn.trail.map((entry, index) => (
          <li key={index}>
            <span>{seconds(entry.atMs)}</span> <span>{withoutScheme(say(entry.text))}</span>
          </li>
        ))}
      </ol>
    </details>
  )
}

function withoutScheme(text: string): string {
  return text.replaceAll(/https?:\/\//g, '')
}

/** Under the last answer it would open below the fold. */
function bringIntoView({ currentTarget: details }: ToggleEvent<HTMLDetailsElement>): void {
  if (details.open) details.scrollIntoView({ block: 'nearest' })
}
