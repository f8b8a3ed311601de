import { memo, type ReactNode } from 'react'

import { teacherOfClass } from '../../shared/teachers.ts'
import { WithCode } from '../with-code.tsx'
import { adviceFor } from './advice.ts'
import { AnswerText, SeamNote } from './answer-text.tsx'
import { FootLine } from './foot-line.tsx'
import { isRunning, type Turn } from './turn.ts'

/** What one question with its answer shows and does. */
export interface TurnViewProps {
  readonly turn: Turn
  /** What stands behind an answer. */
  readonly origin: 'model' | 'stand-in'
  readonly say: (text: string) => string
  readonly canAsk: boolean
  readonly onAgain: (question: string, classNumber: number) => void
}

/** A question and its answer, as far as it has come. */
export const TurnView: (props: TurnViewProps) => ReactNode = memo(function TurnView(props: TurnViewProps): ReactNode {
  const { turn, origin, say, canAsk, onAgain } = props
  const teacher = teacherOfClass(turn.classNumber)
  const isFallback = turn.served === 'fallback' && turn.state === 'whole'
  return (
    <article className="turn" data-state={turn.state} data-class={turn.classNumber} data-testid="turn">
      <p className="question">
        <span className="visually-hidden">You asked: </span>
        {turn.question}
      </p>
      <div className="answer" data-fallback={isFallback} aria-busy={isRunning(turn)}>
        <p className="who">
          {teacher.name}
          {isFallback && <b className="stamp">fallback reply, not from the model</b>}
        </p>
        {turn.state === 'waiting' && (
          <p className="doing">
            <Steps /> {say(turn.doing)}
          </p>
        )}
        {turn.text !== '' && (
          <p className="text" data-testid="answer">
            <AnswerText text={turn.text} seams={turn.seams} />
            {turn.state === 'answering' && <span className="pen" aria-hidden="true" />}
            {turn.state === 'broken' && <Torn says="the answer broke off here" />}
            {turn.state === 'stopped' && <Torn says="stopped" />}
          </p>
        )}
        <SeamNote seams={turn.seams} />
        {turn.state === 'stopped' && turn.text === '' && <p className="doing">Stopped before the first word.</p>}
        {turn.problem !== undefined && (
          <p className="trouble">
            <strong>{adviceFor(turn.problem, turn.isBrokenOnPurpose === true)}</strong>{' '}
            <WithCode text={say(turn.problem.hint)} />
            <small>
              <WithCode text={say(turn.problem.message.replace(/[.!]?$/, '.'))} />
            </small>
          </p>
        )}
        {!isRunning(turn) && (turn.state !== 'whole' || isFallback) && (
          <button
            type="button"
            className="again"
            disabled={!canAsk}
            onClick={() => onAgain(turn.question, turn.classNumber)}
          >
            Try again
          </button>
        )}
        {!isRunning(turn) && <FootLine turn={turn} origin={origin} say={say} />}
      </div>
    </article>
  )
})

/** Where an answer ends before its end; never torn itself. */
function Torn({ says }: { readonly says: string }): ReactNode {
  return (
    <>
      {' '}
      <span className="torn">… {says}</span>
    </>
  )
}

/** Three footprints that walk while one waits. */
function Steps(): ReactNode {
  return (
    <span className="steps" aria-hidden="true">
      <i />
      <i />
      <i />
    </span>
  )
}
