import { useRef, useState, type KeyboardEvent, type ReactNode } from 'react'

/** What the composer shows and does. */
export interface ComposerProps {
  readonly teacherName: string
  readonly questions: readonly string[]
  readonly isAnswering: boolean
  readonly onAsk: (question: string) => void
  readonly onStop: () => void
}

/** Longest question, in characters; a child's question is far shorter, and a pasted book is a mistake. */
const LONGEST_QUESTION = 2000

/** Where one asks: suggestions, a field, and one button that asks or stops. */
export function Composer({ teacherName, questions, isAnswering, onAsk, onStop }: ComposerProps): ReactNode {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)

  const ask = (question: string): void => {
    const trimmed = question.trim()
    if (trimmed === '' || isAnswering) return
    setText('')
    onAsk(trimmed)
    // Where fingers point, a field with the focus brings up a keyboard, over the answer.
    if (matchMedia('(pointer: coarse)').matches) field.current?.blur()
    else field.current?.focus({ preventScroll: true })
  }
  const onKey = (event: KeyboardEvent): void => {
    // While a character is being composed, Enter ends the composing.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    ask(text)
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        if (isAnswering) onStop()
        else ask(text)
      }}
    >
      <ul className="suggestions" aria-label="Questions to start with">
        {questions.map((question) => (
          <li key={question}>
            <button type="button" disabled={isAnswering} onClick={() => ask(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
      <div className="field">
        <label htmlFor="question" className="visually-hidden">
          Your question
        </label>
        <textarea
          id="question"
          ref={field}
          rows={1}
          maxLength={LONGEST_QUESTION}
          placeholder={`Ask ${teacherName} …`}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKey}
        />
        <button type="submit" data-stop={isAnswering} disabled={!isAnswering && text.trim() === ''}>
          {isAnswering ? 'Stop' : 'Ask'}
        </button>
      </div>
    </form>
  )
}
