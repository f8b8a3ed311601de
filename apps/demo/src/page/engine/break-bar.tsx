import { useState, type ReactNode } from 'react'

import { BREAK_MODES, type BreakMode } from '../../shared/demo-api.ts'
import { setBreakMode } from '../demo-client.ts'

const LABELS: Readonly<Record<BreakMode, { readonly short: string; readonly long: string }>> = {
  none: { short: 'Nothing broken', long: 'Every request reaches the backend.' },
  'every-second': {
    short: 'Every 2nd fails',
    long: 'Every second request: the connection is reset before the first byte.',
  },
  refuse: { short: 'Refuse', long: 'Connections are refused, as when Ollama has stopped, until you mend it.' },
  hang: {
    short: 'Hang',
    long: 'The first backend takes every second request and never answers: only another backend can help.',
  },
  'no-memory': {
    short: 'Out of memory',
    long: 'The model does not fit into memory any more, on no backend; smaller ones do.',
  },
  cut: { short: 'Cut mid-answer', long: 'Every second answer breaks off after a dozen words, and goes on from there.' },
}

const HANG_ALONE =
  'Every second request is taken and never answered. There is no other backend to ask: it ends with a time-out.'

const NO_MEMORY_ALONE =
  'The model does not fit into memory any more. No other model is named to answer (SUREFOOT_DEGRADE_MODELS).'

/** What the break bar shows and does. */
export interface BreakBarProps {
  readonly mode: BreakMode
  /** With a single backend there is nobody else to ask when it hangs. */
  readonly isAlone: boolean
  /** Whether another model answers where this one cannot. */
  readonly hasOtherModel: boolean
  readonly isLocked: boolean
  readonly onChanged: () => void
}

/** The bar to break things with; one thing at a time. */
export function BreakBar({ mode, isAlone, hasOtherModel, isLocked, onChanged }: BreakBarProps): ReactNode {
  const [wanted, setWanted] = useState<{ readonly next: BreakMode; readonly before: BreakMode }>()
  const [problem, setProblem] = useState<string>()
  // Until the demo reports another mode the wanted one is shown, so that the button does not jump back and forth.
  const shown = wanted?.before === mode ? wanted.next : mode

  const choose = async (next: BreakMode): Promise<void> => {
    setWanted({ next, before: mode })
    setProblem(undefined)
    try {
      await setBreakMode(next)
      onChanged()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
      setWanted(undefined)
    }
  }

  const words = (): string => {
    if (shown === 'hang' && isAlone) return HANG_ALONE
    return shown === 'no-memory' && !hasOtherModel ? NO_MEMORY_ALONE : LABELS[shown].long
  }

  return (
    <fieldset className="break-bar" data-broken={shown !== 'none'} disabled={isLocked}>
      <legend>Break things</legend>
      <div className="break-choices">
        {BREAK_MODES.map((choice) => (
          <label key={choice} data-mode={choice}>
            <input
              type="radio"
              name="break"
              value={choice}
              checked={shown === choice}
              onChange={() => void choose(choice)}
            />
            <span>{LABELS[choice].short}</span>
          </label>
        ))}
      </div>
      <p className="break-says" role="status">
        {problem ?? words()}
      </p>
    </fieldset>
  )
}
