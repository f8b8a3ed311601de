import type { ChatAnswer, Priority } from '@surefoot/protocol'

import type { Asked } from '../ollama/generation.ts'
import { OracleAnswer } from '../ollama/oracle.ts'
import { Effort } from './effort.ts'
import { QUESTION, textOf } from './prompt.ts'
import type { Question } from './question.ts'

/** How a call ended: `answered`, `left` by its caller, or the code of its error. */
export type CallOutcome = string

/** Who may answer a call. */
export interface Answerers {
  /** The model that was asked for, its variants, and those that may take its place. */
  readonly models: readonly string[]
  /** What is said when nobody can. */
  readonly fallback?: string | undefined
  /** Each model has words of its own. */
  readonly differ: boolean
}

/** A way that was tried in vain. */
export interface LeftRung {
  readonly rung: string
  readonly code: string
  readonly atMs: number
}

/** Everything known of one call: what was asked, what is right, what was seen on the wire and by the caller. */
export class CallRecord implements Asked {
  readonly id: number
  readonly question: Question
  readonly text: string
  /** What decides its answer beside the model, and whose it is: calls with the same one may have one answer. */
  readonly key: string
  readonly startedMs: number
  readonly deadlineAtMs: number
  /** Attempts seen on the wire. */
  attempts = 0
  leftAtMs: number | undefined
  firstTokenMs: number | undefined
  /** Characters of the answer that the caller has seen. */
  seen = 0
  /** Tokens that were made for it. */
  made = 0
  resumed = 0
  outcome: CallOutcome | undefined
  /** How it met the cache the last time, as core tells it. */
  met: 'hit' | 'joined' | 'miss' | undefined
  /** When it last joined others who ask the same, and when it ended. */
  joinedAtMs: number | undefined
  endedMs: number | undefined
  /** Since when it waits for a slot or a backend, as its caller is told. */
  queuedSinceMs: number | undefined
  /** Of those who wait for its answer the most important one's. */
  priority: Priority | undefined
  readonly leftRungs: LeftRung[] = []
  /** The effort of each model, since it was last asked. */
  readonly efforts: Map<string, Effort> = new Map()
  readonly #answerers: Answerers
  readonly #answers = new Map<string, OracleAnswer>()
  /** What it may come to, by what was seen so far. */
  #candidates: readonly string[] | undefined
  readonly #onLateToken: () => void

  constructor(
    id: number,
    question: Question,
    startedMs: number,
    deadlineMs: number,
    answerers: Answerers,
    onLateToken: () => void,
  ) {
    this.id = id
    this.question = question
    this.text = textOf(id, question)
    this.key = keyOf(id, question)
    this.startedMs = startedMs
    this.deadlineAtMs = startedMs + deadlineMs
    this.priority = question.priority
    this.#answerers = answerers
    this.#onLateToken = onLateToken
  }

  get promptMs(): number {
    return this.question.promptMs
  }

  get answer(): OracleAnswer {
    return this.answerOf(this.#answerers.models[0] ?? '')
  }

  /** What a model says to it. */
  answerOf(model: string): OracleAnswer {
    const { differ } = this.#answerers
    const name = differ ? model : ''
    let answer = this.#answers.get(name)
    if (answer === undefined) {
      const said = this.question.topic === undefined ? `${QUESTION}${this.id}.` : `${QUESTION}T${this.question.topic}.`
      answer = new OracleAnswer(differ ? `${said} ${model}` : said, Math.max(1, Math.round(this.question.tokens)))
      this.#answers.set(name, answer)
    }
    return answer
  }

  /** The right answer of a model. */
  expectedOf(model: string): string {
    const { limit = Number.POSITIVE_INFINITY } = this.question
    const answer = this.answerOf(model)
    return limit >= answer.pieces.length ? answer.text : answer.textOf(limit)
  }

  /** How many tokens the right answer has; the same for all models. */
  get expectedTokens(): number {
    return Math.min(this.answer.pieces.length, this.question.limit ?? Number.POSITIVE_INFINITY)
  }

  /** Its limit cuts the answer off. */
  get isLimited(): boolean {
    return this.expectedTokens < this.answer.pieces.length
  }

  /** A backend has said that the request is wrong, and no other model was asked before. */
  get isFoundWrong(): boolean {
    return this.leftRungs.length === 0 && [...this.efforts.values()].some(({ foundWrong }) => foundWrong)
  }

  effortOf(model: string): Effort {
    const effort = this.efforts.get(model) ?? new Effort()
    this.efforts.set(model, effort)
    return effort
  }

  onToken(): void {
    if (this.outcome === undefined) this.made++
    else this.#onLateToken()
  }

  /** What is wrong with a whole answer, if anything. */
  faultOf({ message: { content }, model, served }: ChatAnswer): string | undefined {
    const { models, fallback = '' } = this.#answerers
    if (served !== 'fallback' && !models.includes(model)) return `it was answered by ${model}, which nobody asked`
    const right = served === 'fallback' ? fallback : this.expectedOf(model)
    if (content !== right) return `the answer is not the model's: ${difference(content, right)}`
    if (!this.question.streamed || this.seen === right.length) return undefined
    return `it saw ${this.seen} of ${right.length} characters`
  }

  /** What is wrong with the next piece of a stream, if anything. */
  faultOfNext(piece: string): string | undefined {
    const before = this.#possible
    const candidates = before.filter((text) => text.startsWith(piece, this.seen))
    const at = this.seen
    this.seen += piece.length
    if (candidates.length > 0) {
      this.#candidates = candidates
      return undefined
    }
    return `the stream is not the model's after ${at} characters: ${difference(piece, (before[0] as string).slice(at))}`
  }

  /** Whether a text is what the caller has seen. */
  hasSeen(text: string): boolean {
    return this.#possible.some((candidate) => candidate.slice(0, this.seen) === text)
  }

  get #possible(): readonly string[] {
    if (this.#candidates === undefined) {
      const { models, fallback } = this.#answerers
      const texts = models.map((model) => this.expectedOf(model))
      this.#candidates = [...new Set(fallback === undefined ? texts : [...texts, fallback])]
    }
    return this.#candidates
  }
}

function keyOf(id: number, { topic, tenant, limit, temperature, isWrong }: Question): string {
  return JSON.stringify([tenant, topic ?? `#${id}`, limit, temperature, isWrong === true])
}

function difference(got: string, right: string): string {
  let at = 0
  while (at < got.length && got[at] === right[at]) at++
  const show = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20))
  return `${got.length} characters, ${right.length} are right, they differ at ${at}: ${show(got)} instead of ${show(right)}`
}
