import type { ReactNode } from 'react'

import { seconds, type Turn } from './turn.ts'

/** How the answer came about, in one line; opened, it shows every step on the way. */
export function FootLine({ turn, say }: { readonly turn: Turn; readonly say: (text: string) => string }): ReactNode {
  const facts = [
    turn.attempts > 0 && `${turn.attempts} ${turn.attempts === 1 ? 'attempt' : 'attempts'}`,
    turn.backend !== undefined && say(turn.backend).replace(/^https?:\/\//, ''),
    turn.firstTokenMs !== undefined && `first token ${seconds(turn.firstTokenMs)}`,
    turn.tokensPerSecond !== undefined && `${Math.round(turn.tokensPerSecond)} tokens/s`,
    turn.tookMs !== undefined && `${seconds(turn.tookMs)} in all`,
  ].filter((fact) => fact !== false)
  return (
    <details className="foot">
      <summary>
        <b data-served={servedBy(turn)}>{servedBy(turn)}</b>
        {facts.map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
      </summary>
      <ol className="trail">
        {turn.trail.map((entry, index) => (
          <li key={index}>
            <span>{seconds(entry.atMs)}</span> {say(entry.text)}
          </li>
        ))}
      </ol>
    </details>
  )
}

function servedBy(turn: Turn): string {
  if (turn.state === 'broken') return 'broken off'
  if (turn.state === 'failed') return 'no answer'
  if (turn.state === 'stopped') return 'stopped'
  return turn.served ?? 'model'
}
