import type { ChatAnswer } from '@surefoot/protocol'

import { OracleAnswer } from '../ollama/oracle.ts'
import type { Asked } from '../ollama/generation.ts'
import type { Question } from './question.ts'

/** What every question begins with; a number follows. */
const QUESTION = 'Question '

/** How a call ended: `answered`, `left` by its caller, or the code of its error. */
export type CallOutcome = string

/** Everything known of one call: what was asked, what is right, what was seen on the wire and by the caller. */
export class CallRecord implements Asked {
  readonly id: number
  readonly question: Question
  readonly text: string
  readonly answer: OracleAnswer
  readonly startedMs: number
  readonly deadlineAtMs: number
  /** Attempts seen on the wire, and the failed ones among them that cost a backend work. */
  attempts = 0
  costly = 0
  /** How many of the costly ones the budget has been charged for. */
  charged = 0
  /** A backend has said that the request is wrong. */
  foundWrong = false
  /** Until when each backend asked to be left alone, by its URL. */
  readonly restUntilMs: Map<string, number> = new Map()
  leftAtMs: number | undefined
  firstTokenMs: number | undefined
  /** Characters of the answer that the caller has seen. */
  seen = 0
  /** Tokens that were made for it. */
  made = 0
  resumed = 0
  outcome: CallOutcome | undefined
  readonly #onLateToken: () => void

  constructor(id: number, question: Question, startedMs: number, deadlineMs: number, onLateToken: () => void) {
    this.id = id
    this.question = question
    this.text = `${QUESTION}${id}.`
    this.answer = new OracleAnswer(this.text, Math.max(1, Math.round(question.tokens)))
    this.startedMs = startedMs
    this.deadlineAtMs = startedMs + deadlineMs
    this.#onLateToken = onLateToken
  }

  get promptMs(): number {
    return this.question.promptMs
  }

  /** The right answer. */
  get expected(): string {
    const { limit = Number.POSITIVE_INFINITY } = this.question
    return limit >= this.answer.pieces.length ? this.answer.text : this.answer.textOf(limit)
  }

  /** How many tokens the right answer has. */
  get expectedTokens(): number {
    return Math.min(this.answer.pieces.length, this.question.limit ?? Number.POSITIVE_INFINITY)
  }

  onToken(): void {
    if (this.outcome === undefined) this.made++
    else this.#onLateToken()
  }

  /** What is wrong with a whole answer, if anything. */
  faultOf(answer: ChatAnswer): string | undefined {
    const { content } = answer.message
    if (content === this.expected) return undefined
    return `the answer is not the model's: ${difference(content, this.expected)}`
  }

  /** What is wrong with the next piece of a stream, if anything. */
  faultOfNext(piece: string): string | undefined {
    const fault = this.expected.startsWith(piece, this.seen)
      ? undefined
      : `the stream is not the model's after ${this.seen} characters: ${difference(piece, this.expected.slice(this.seen))}`
    this.seen += piece.length
    return fault
  }
}

/** The number of the question in a request body; `undefined` when no caller asked it. */
export function questionIn(body: Buffer | null): number | undefined {
  const at = body === null ? -1 : body.indexOf(QUESTION)
  if (body === null || at === -1) return undefined
  let id = 0
  for (let index = at + QUESTION.length; ; index++) {
    const digit = (body[index] as number) - 0x30
    if (!(digit >= 0 && digit <= 9)) return id
    id = id * 10 + digit
  }
}

/** The number of a question; `undefined` when no caller asked it. */
export function questionNumber(text: string): number | undefined {
  return text.startsWith(QUESTION) ? Number.parseInt(text.slice(QUESTION.length), 10) : undefined
}

function difference(got: string, right: string): string {
  let at = 0
  while (at < got.length && got[at] === right[at]) at++
  const show = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20))
  return `${got.length} characters, ${right.length} are right, they differ at ${at}: ${show(got)} instead of ${show(right)}`
}
