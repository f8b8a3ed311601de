import type { ReactNode } from 'react'

import { WithCode } from '../with-code.tsx'
import type { Seam } from './turn.ts'

/** What the text of an answer shows. */
export interface AnswerTextProps {
  readonly text: string
  readonly seams: readonly Seam[]
}

/** The text of an answer, with a stitch where it broke and was gone on with. */
export function AnswerText({ text, seams }: AnswerTextProps): ReactNode {
  const ends = [...seams.map(({ atChar }) => atChar), text.length]
  return ends.map((end, index) => {
    const seam = seams[index]
    return (
      <span key={index}>
        <WithCode text={text.slice(index === 0 ? 0 : ends[index - 1], end)} />
        {seam !== undefined && <i className="seam" title={wordsFor([seam])} />}
      </span>
    )
  })
}

/** The same in words, under the answer. */
export function SeamNote({ seams }: { readonly seams: readonly Seam[] }): ReactNode {
  if (seams.length === 0) return null
  return (
    <p className="mended" data-testid="mended">
      <i className="seam" aria-hidden="true" /> {wordsFor(seams)}
    </p>
  )
}

function wordsFor(seams: readonly Seam[]): string {
  const where = seams.some(({ isElsewhere }) => isElsewhere) ? 'on another backend' : 'on the same backend'
  const often = seams.length > 1 ? `, ${seams.length} times` : ''
  return `The answer went on from where it broke, ${where}${often}.`
}
