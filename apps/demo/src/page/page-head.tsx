import type { ReactNode } from 'react'

import type { DemoInfo } from '../shared/demo-api.ts'
import type { Engine } from './engine/use-engine.ts'
import type { Theme } from './use-theme.ts'
import { WithCode } from './with-code.tsx'

const THEME_WORDS: Readonly<Record<Theme, string>> = { auto: '◐ auto', light: '☀ light', dark: '☾ dark' }

/** What the head of the page shows and does. */
export interface PageHeadProps {
  readonly engine: Pick<Engine, 'info' | 'health'>
  readonly theme: Theme
  readonly onTheme: () => void
}

/** The name, and who it is that answers here. */
export function PageHead({ engine, theme, onTheme }: PageHeadProps): ReactNode {
  const { info, health } = engine
  return (
    <header className="page-head">
      <h1>
        <img src="/icon.svg" alt="" width="36" height="36" />
        <span>
          BabySteps <small>the mentor that keeps its feet</small>
        </span>
      </h1>
      <p className="who-answers" data-kind={info?.kind} data-testid="who-answers">
        {info === undefined ? (
          'Finding out who answers …'
        ) : info.kind === 'stand-in' ? (
          <StandIn info={info} />
        ) : (
          <RealOllama info={info} health={health} />
        )}
      </p>
      <button type="button" className="theme" onClick={onTheme} aria-label={`Colours: ${theme}. Change`}>
        {THEME_WORDS[theme]}
      </button>
    </header>
  )
}

function StandIn({ info }: { readonly info: DemoInfo }): ReactNode {
  return (
    <>
      <b>Stand-in Ollama</b>
      {info.backends.length > 1 && ` ×${info.backends.length}`}: scripted answers, no model
      {info.note !== undefined && <span className="note">{info.note}</span>}
    </>
  )
}

/** What is so now: an Ollama may go and come back while the page is open. */
function RealOllama({ info, health }: { readonly info: DemoInfo; readonly health: Engine['health'] }): ReactNode {
  const { model, mode, note } = info
  const where = info.backends.map((backend) => backend.shownAs).join(' and ')
  const reached = health?.backends.filter((backend) => backend.reachable) ?? []
  if (health !== undefined && reached.length === 0) {
    const isOnPurpose = mode === 'refuse'
    return (
      <>
        <b>{isOnPurpose ? 'Ollama refuses, on purpose,' : 'No Ollama answers'}</b> at {where}
        {!isOnPurpose && (
          <span className="note">
            <WithCode text="Run `ollama serve`: this page sees by itself when it is there." />
          </span>
        )}
      </>
    )
  }
  if (reached.length > 0 && reached.every((backend) => backend.modelInstalled === false)) {
    return (
      <>
        <b>Ollama without {model}</b> at {where}
        <span className="note">
          <WithCode text={`Run \`ollama pull ${model}\`: this page sees by itself when it is there.`} />
        </span>
      </>
    )
  }
  return (
    <>
      <b>Real Ollama</b> at {where} with <b>{model}</b>
      {note !== undefined && <span className="note">{note}</span>}
    </>
  )
}
