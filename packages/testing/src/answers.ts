import type { CompleteModel, PrefillMode } from './models.ts'
import { splitIntoTokens } from './tokens.ts'

/** A message as the stand-in reads it. */
export interface AnswerMessage {
  readonly role: string
  readonly content: string
}

/** What an answer is asked for. */
export interface AnswerRequest {
  /** Name of the model as the request gives it. */
  readonly model: string
  /** The conversation, without a half assistant message at the end. */
  readonly messages: readonly AnswerMessage[]
  /** The last user message, or the prompt of `/api/generate`. */
  readonly prompt: string
  /** The half assistant message to go on from; empty if there is none. */
  readonly prefill: string
  /** The request's body. */
  readonly body: Readonly<Record<string, unknown>>
  /** Whether the prompt came rendered, in which case any model goes on without an echo. */
  readonly isRaw: boolean
}

/** An answer told in full. */
export interface ScriptedAnswer {
  readonly tokens: readonly string[]
  /** Tokens of the prompt. @default counted by a simple rule */
  readonly promptTokens?: number
  /** Tokens generated, the end token included. @default counted */
  readonly evalCount?: number
  /** The `context` of `/api/generate`. @default numbers counted up from 1 */
  readonly context?: readonly number[]
}

/** What a model says: a text, its tokens, or the answer with its numbers. */
export type Answer = string | readonly string[] | ScriptedAnswer

/**
 * What the models say: a function, or a table by the last user message with `*` for all others. The answer is the whole
 * one: if the request holds a half assistant message with which it begins, the model goes on from there.
 */
export type Answers = ((request: AnswerRequest) => Answer) | Readonly<Record<string, Answer>>

/** The answer to a request, ready to be sent. */
export interface ChosenAnswer {
  readonly tokens: readonly string[]
  readonly promptTokens: number
  readonly evalCount: number | undefined
  readonly context: readonly number[] | undefined
}

/** Picks the answer and cuts off what the request has of it already. */
export function chooseAnswer(
  answers: Answers,
  request: AnswerRequest,
  model: CompleteModel,
  answerTokens: number | undefined,
): ChosenAnswer {
  const scripted = typeof answers === 'function' ? answers(request) : (answers[request.prompt] ?? answers['*'])
  const answer = toScripted(scripted ?? builtInAnswer(request.prompt, answerTokens))
  return {
    tokens: continueFrom(answer.tokens, request.prefill, request.isRaw ? 'continue' : model.prefill),
    promptTokens: answer.promptTokens ?? countPromptTokens(request, model),
    evalCount: answer.evalCount,
    context: answer.context,
  }
}

function toScripted(answer: Answer): ScriptedAnswer {
  if (typeof answer === 'string') return { tokens: splitIntoTokens(answer) }
  return 'tokens' in answer ? answer : { tokens: answer }
}

function continueFrom(tokens: readonly string[], prefill: string, mode: PrefillMode): readonly string[] {
  if (prefill === '' || mode === 'new-turn') return tokens
  let rest = tokens
  if (tokens.join('').startsWith(prefill)) {
    let index = 0
    let taken = 0
    while (taken + (tokens[index]?.length ?? Infinity) <= prefill.length) taken += tokens[index++]?.length ?? 0
    const first = tokens[index]?.slice(prefill.length - taken)
    rest = first === undefined ? [] : [first, ...tokens.slice(index + 1)]
  }
  return mode === 'echo' ? [prefill + (rest[0] ?? ''), ...rest.slice(1)] : rest
}

/** The prompt is in the answer, so that a test notices an answer that reached the wrong caller. */
function builtInAnswer(prompt: string, answerTokens: number | undefined): string[] {
  const text = /capital of france/i.test(prompt)
    ? 'The capital of France is Paris.'
    : `You asked: ${prompt.slice(0, 60).trim()} Here is a short answer. Start with the simplest thing that works, ` +
      'measure it, and improve it step by step.'
  const tokens = splitIntoTokens(text)
  if (answerTokens === undefined) return tokens
  return Array.from({ length: answerTokens }, (_, index) =>
    index < tokens.length ? (tokens[index] as string) : ` and${index % 7 === 6 ? ' so' : ''} on`,
  )
}

/** Tokens of a prompt, counted by a simple rule: pieces of about a word, and four of the template around each text. */
export function countPromptTokens(
  request: Pick<AnswerRequest, 'messages' | 'prefill'>,
  model: Pick<CompleteModel, 'system'>,
): number {
  const texts = [model.system, ...request.messages.map((message) => message.content), request.prefill]
  return texts.reduce((sum, text) => sum + splitIntoTokens(text).length + 4, 0)
}
