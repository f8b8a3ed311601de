import type { BackendStatus } from '@surefoot/protocol'
import { useState, type ReactNode } from 'react'

import { setDraining } from '../demo-client.ts'

/** What the button shows and does. */
export interface DrainButtonProps {
  readonly backend: BackendStatus
  readonly name: string
  readonly onChanged: () => void
}

/** Takes a backend out without breaking an answer, or puts it back. */
export function DrainButton({ backend, name, onChanged }: DrainButtonProps): ReactNode {
  const [problem, setProblem] = useState<string>()
  const { url, draining } = backend
  const press = async (): Promise<void> => {
    try {
      await setDraining(url, !draining)
      setProblem(undefined)
      onChanged()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <button
      type="button"
      className="drain"
      aria-label={`${draining ? 'Put back' : 'Drain'} ${name}`}
      title={
        problem ?? (draining ? 'Questions may go there again.' : 'No new question goes there; what runs there ends.')
      }
      data-failed={problem !== undefined}
      onClick={() => void press()}
    >
      {draining ? 'Put back' : 'Drain'}
    </button>
  )
}
