import { memo, type ReactNode } from 'react'

import { teacherOfClass } from '../../shared/teachers.ts'
import { WithCode } from '../with-code.tsx'
import { adviceFor } from './advice.ts'
import { AnswerText, SeamNote } from './answer-text.tsx'
import { cameAbout, type Asked } from './came-about.ts'
import { FootLine } from './foot-line.tsx'
import { Rating } from './rating.tsx'
import { isRunning, type Turn } from './turn.ts'
import type { AskOptions } from './use-conversation.ts'

/** What one question with its answer shows and does. */
export interface TurnViewProps {
  readonly turn: Turn
  readonly asked: Asked
  readonly say: (text: string) => string
  readonly canAsk: boolean
  readonly onAgain: (question: string, classNumber: number, how?: AskOptions) => void
  readonly onRate: (runId: string, isGood: boolean) => Promise<boolean>
}

/** A question and its answer, as far as it has come. */
export const TurnView: (props: TurnViewProps) => ReactNode = memo(function TurnView(props: TurnViewProps): ReactNode {
  const { turn, asked, say, canAsk, onAgain, onRate } = props
  const teacher = teacherOfClass(turn.classNumber)
  const isWhole = turn.state === 'whole'
  const about = cameAbout(turn, asked)
  const { runId, variant } = turn
  const again = waysToAskAgain(turn)
  return (
    <article className="turn" data-state={turn.state} data-class={turn.classNumber} data-testid="turn">
      <p className="question">
        <span className="visually-hidden">You asked: </span>
        {turn.question}
      </p>
      <div className="answer" data-served={isWhole ? turn.served : undefined} aria-busy={isRunning(turn)}>
        <p className="who">
          {teacher.name}
          {isWhole && about.stamp !== undefined && (
            <b className="stamp">
              <span aria-hidden="true">{about.mark} </span>
              {about.stamp}
            </b>
          )}
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
        {isWhole && about.says !== undefined && (
          <p className="came-about" data-testid="came-about">
            {about.says}
          </p>
        )}
        {turn.state === 'stopped' && turn.text === '' && <p className="doing">Stopped before the first word.</p>}
        {turn.problem !== undefined && (
          <p className="trouble">
            <strong>{adviceFor(turn.problem, turn.isBrokenOnPurpose === true)}</strong>{' '}
            <WithCode text={say(turn.problem.hint)} />
            {turn.problem.size !== undefined && <Sizes {...turn.problem.size} />}
            <small>
              <WithCode text={say(turn.problem.message.replace(/[.!]?$/, '.'))} />
            </small>
          </p>
        )}
        {again !== undefined && (
          <button
            type="button"
            className="again"
            disabled={!canAsk}
            onClick={() => onAgain(turn.question, turn.classNumber, again.how)}
          >
            {again.says}
          </button>
        )}
        {isWhole && variant !== undefined && runId !== undefined && (
          <Rating variant={variant} onRate={(isGood) => onRate(runId, isGood)} />
        )}
        {!isRunning(turn) && <FootLine turn={turn} about={about} say={say} />}
      </div>
    </article>
  )
})

/** How a question that was not answered afresh may be asked once more; `undefined` where nothing is to be gained. */
function waysToAskAgain(turn: Turn): { readonly says: string; readonly how?: AskOptions } | undefined {
  if (isRunning(turn)) return undefined
  if (turn.problem?.code === 'CONTEXT_OVERFLOW' && turn.remembered > 0) {
    return { says: 'Ask without what was said before', how: { isAlone: true } }
  }
  if (turn.state === 'whole' && turn.served === 'cache') return { says: 'Ask afresh', how: { isFresh: true } }
  return turn.state === 'whole' && turn.served !== 'fallback' ? undefined : { says: 'Try again' }
}

/** What a question needs that is too long, and what there is. */
function Sizes({ needed, available }: NonNullable<NonNullable<Turn['problem']>['size']>): ReactNode {
  const tokens = (count: number): string => `${count.toLocaleString('en')} tokens`
  return (
    <span className="sizes" data-testid="sizes">
      {needed !== undefined && (
        <span>
          needs <b>{tokens(needed)}</b>
        </span>
      )}
      {available !== undefined && (
        <span>
          room for <b>{tokens(available)}</b>
        </span>
      )}
      <span>a token is a short word or a part of a long one</span>
    </span>
  )
}

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
