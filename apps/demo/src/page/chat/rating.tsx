import { useState, type ReactNode } from 'react'

/** What the thumbs judge, and how. */
export interface RatingProps {
  /** The arm of an experiment, as `experiment/variant`. */
  readonly variant: string
  /** Resolves with whether the judgement counts; rejects when it did not arrive. */
  readonly onRate: (isGood: boolean) => Promise<boolean>
}

const CHOICES = [
  { isGood: true, says: 'Good answer' },
  { isGood: false, says: 'Not a good answer' },
] as const

/** Two thumbs, of which one can be pressed; pressing the other one changes one's mind. */
export function Rating({ variant, onRate }: RatingProps): ReactNode {
  const [pressed, setPressed] = useState<boolean>()
  const [says, setSays] = useState('')
  const rate = async (isGood: boolean): Promise<void> => {
    if (isGood === pressed) return
    setPressed(isGood)
    try {
      setSays((await onRate(isGood)) ? 'Thank you, it counts.' : 'Too late: it does not count any more.')
    } catch {
      setPressed(pressed)
      setSays('It did not arrive: press again.')
    }
  }
  // The arm may be named like its model, and such names have slashes of their own.
  const [experiment, ...arm] = variant.split('/')
  return (
    <div className="rating" role="group" aria-label="Was this a good answer?" data-testid="rating">
      <span>Was this a good answer?</span>
      {CHOICES.map((choice) => (
        <button
          key={choice.says}
          type="button"
          aria-label={choice.says}
          title={choice.says}
          aria-pressed={pressed === choice.isGood}
          onClick={() => void rate(choice.isGood)}
        >
          <Thumb isUp={choice.isGood} />
        </button>
      ))}
      <small>
        variant {arm.join('/')} of the {experiment} test
        {says !== '' && <b>{says}</b>}
      </small>
    </div>
  )
}

function Thumb({ isUp }: { readonly isUp: boolean }): ReactNode {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
      <path
        transform={isUp ? undefined : 'rotate(180 12 12)'}
        d="M2 10h4v11H2z M8 10l4.5-8c1.6 0 2.6 1.2 2.3 2.8L14 9h6a2 2 0 0 1 2 2.4l-1.5 7.5a2.6 2.6 0 0 1-2.6 2.1H8z"
      />
    </svg>
  )
}
