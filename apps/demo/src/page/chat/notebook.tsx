import { useEffect, useLayoutEffect, useRef, type ReactNode } from 'react'

import type { Teacher } from '../../shared/teachers.ts'
import { cameAbout, type Asked } from './came-about.ts'
import { isRunning, type Turn } from './turn.ts'
import { TurnView, type TurnViewProps } from './turn-view.tsx'

/** What the notebook shows and does. */
export interface NotebookProps extends Pick<TurnViewProps, 'asked' | 'say' | 'onAgain' | 'onRate'> {
  readonly turns: readonly Turn[]
  readonly teacher: Teacher
}

/** How near the end one must be for the page to follow the answer, in pixels. */
const NEAR_END_PX = 80

/** The ruled page with the questions and answers; it follows the answer unless one has scrolled up to read. */
export function Notebook({ turns, teacher, ...forTurns }: NotebookProps): ReactNode {
  const page = useRef<HTMLDivElement>(null)
  const follows = useRef(true)
  const count = turns.length
  useEffect(() => {
    follows.current = true
  }, [count])
  useLayoutEffect(() => {
    if (follows.current) page.current?.scrollTo({ top: page.current.scrollHeight })
  }, [turns])
  useEffect(() => {
    const notebook = page.current
    if (notebook === null) return undefined
    // A keyboard that comes up or a note in the head takes room from the end, which is what one reads.
    const resized = new ResizeObserver(() => {
      if (follows.current) notebook.scrollTo({ top: notebook.scrollHeight })
    })
    resized.observe(notebook)
    return () => resized.disconnect()
  }, [])

  const canAsk = !turns.some(isRunning)
  return (
    <div
      className="notebook"
      ref={page}
      tabIndex={0}
      role="region"
      aria-label="Questions and answers"
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget
        follows.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
      }}
    >
      <div className="welcome">
        <p className="who">{teacher.name}</p>
        <p>
          Hello, Class {teacher.classNumber}! Just now we are learning about {teacher.focus}. What would you like to
          know?
        </p>
      </div>
      {turns.map((turn) => (
        <TurnView key={turn.id} turn={turn} canAsk={canAsk} {...forTurns} />
      ))}
      <Announcer turns={turns} asked={forTurns.asked} />
    </div>
  )
}

/** Tells a screen reader that an answer began, and reads it once when it is there; never word by word. */
function Announcer({ turns, asked }: Pick<NotebookProps, 'turns' | 'asked'>): ReactNode {
  return (
    <p className="visually-hidden" role="status">
      {wordsFor(turns.at(-1), asked)}
    </p>
  )
}

/** The same words for all the time that an answer grows: a status is read out when it changes. */
function wordsFor(turn: Turn | undefined, asked: Asked): string {
  if (turn === undefined) return ''
  if (isRunning(turn)) return 'The answer is on its way.'
  const stamp = turn.state === 'whole' ? cameAbout(turn, asked).stamp : turn.state
  const ending = stamp === undefined ? '' : `(${stamp})`
  return [turn.text, ending, turn.problem?.message ?? ''].filter((part) => part !== '').join(' ')
}
