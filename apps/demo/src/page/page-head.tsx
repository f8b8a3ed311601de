import type { ReactNode } from 'react'

import type { DemoInfo } from '../shared/demo-api.ts'
import type { Theme } from './use-theme.ts'

const THEME_WORDS: Readonly<Record<Theme, string>> = { auto: '◐ auto', light: '☀ light', dark: '☾ dark' }

/** What the head of the page shows and does. */
export interface PageHeadProps {
  readonly info: DemoInfo | undefined
  readonly theme: Theme
  readonly onTheme: () => void
}

/** The name, and who it is that answers here. */
export function PageHead({ info, theme, onTheme }: PageHeadProps): ReactNode {
  return (
    <header className="page-head">
      <h1>
        <img src="/icon.svg" alt="" width="36" height="36" />
        <span>
          BabySteps <small>the mentor that keeps its feet</small>
        </span>
      </h1>
      <p className="who-answers" data-kind={info?.kind} data-testid="who-answers">
        {info === undefined ? 'Finding out who answers …' : <WhoAnswers info={info} />}
      </p>
      <button type="button" className="theme" onClick={onTheme} aria-label={`Colours: ${theme}. Change`}>
        {THEME_WORDS[theme]}
      </button>
    </header>
  )
}

function WhoAnswers({ info }: { readonly info: DemoInfo }): ReactNode {
  return (
    <>
      {info.kind === 'real' ? (
        <>
          <b>Real Ollama</b> at {info.backends.map((backend) => backend.shownAs).join(' and ')} with <b>{info.model}</b>
        </>
      ) : (
        <>
          <b>Stand-in Ollama</b>
          {info.backends.length > 1 && ` ×${info.backends.length}`}: scripted answers, no model
        </>
      )}
      {info.note !== undefined && <span className="note">{info.note}</span>}
    </>
  )
}
