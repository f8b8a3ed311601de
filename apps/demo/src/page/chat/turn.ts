import { ERROR_CODES, SurefootError } from '@surefoot/protocol'
import type { ErrorCode, FinishEvent, RunEvent, Served } from '@surefoot/protocol'

import { duration, seconds } from './durations.ts'

/** Something that happened on the way to an answer. */
export interface TrailEntry {
  readonly atMs: number
  readonly text: string
}

/** Why there is no whole answer of the model. */
export interface Problem {
  readonly code?: string | undefined
  readonly message: string
  readonly hint: string
  /** Of a question that is too long: what it needs, and what there is, in tokens. */
  readonly size?: { readonly needed?: number | undefined; readonly available?: number | undefined } | undefined
}

/** Where an answer broke and was gone on with. */
export interface Seam {
  /** In characters of the answer. */
  readonly atChar: number
  /** Another backend went on than the one it broke on. */
  readonly isElsewhere: boolean
}

/** A question, and what came of it. */
export interface Turn {
  readonly id: number
  readonly classNumber: number
  readonly question: string
  /** When it was asked, in epoch milliseconds. */
  readonly askedAtMs: number
  /** Turns before it that went along with it. */
  readonly remembered: number
  /** `broken`: some of the answer arrived and then it broke off; `failed`: nothing arrived. */
  readonly state: 'waiting' | 'answering' | 'whole' | 'broken' | 'stopped' | 'failed'
  readonly text: string
  /** What is going on while there is no text yet, in words for a child; the trail has those of the machinery. */
  readonly doing: string
  readonly trail: readonly TrailEntry[]
  readonly seams: readonly Seam[]
  readonly attempts: number
  readonly tokens: number
  readonly backend?: string | undefined
  /** Where the last token came from; `backend` may already be the one that is asked to go on. */
  readonly writtenBy?: string | undefined
  readonly firstTokenMs?: number | undefined
  readonly tookMs?: number | undefined
  readonly tokensPerSecond?: number | undefined
  readonly served?: Served | undefined
  /** Why the model that was asked for did not answer; an error code. */
  readonly reason?: string | undefined
  /** The model that wrote the answer. */
  readonly model?: string | undefined
  /** The arm of an experiment, as `experiment/variant`; only then a judgement of the answer counts for something. */
  readonly variant?: string | undefined
  /** How long ago a model wrote it, of an answer from the cache. */
  readonly ageMs?: number | undefined
  /** The id of the run. */
  readonly runId?: string | undefined
  readonly problem?: Problem | undefined
  /** Something was pressed on the break bar when the problem came up. */
  readonly isBrokenOnPurpose?: boolean
}

const FIRST_TOKEN = 'first token'

/** A question that was just asked. */
export function newTurn(asked: Pick<Turn, 'id' | 'classNumber' | 'question' | 'askedAtMs' | 'remembered'>): Turn {
  return {
    ...asked,
    state: 'waiting',
    text: '',
    doing: 'Asking the mentor …',
    trail: [{ atMs: 0, text: 'asked' }],
    seams: [],
    attempts: 0,
    tokens: 0,
  }
}

/** Whether something may still happen to a turn. */
export function isRunning(turn: Turn): boolean {
  return turn.state === 'waiting' || turn.state === 'answering'
}

/** The turn after an event of its run; `atMs` counts from the question, `fault` is why a fallback took its place. */
export function turnAfterEvent(turn: Turn, event: RunEvent, atMs: number, fault?: SurefootError): Turn {
  const noted = (text: string, more: Partial<Turn> = {}): Turn => ({
    ...turn,
    ...more,
    trail: [...turn.trail, { atMs, text }],
  })
  switch (event.type) {
    case 'queued': {
      const what = event.waitingFor === 'slot' ? 'a free slot' : 'a backend to come back'
      const expected = event.expectedWaitMs === undefined ? '' : `, about ${seconds(event.expectedWaitMs)}`
      const text = `waiting for ${what}, place ${event.position}${expected}`
      const doing =
        event.waitingFor === 'slot'
          ? `Waiting for our turn, number ${event.position} in the line${expected} …`
          : `Waiting for the mentor to come back${expected} …`
      return noted(text, { doing })
    }
    case 'loading': {
      const expected = event.expectedMs === undefined ? '' : `, about ${seconds(event.expectedMs)}`
      const text = `loading ${event.model} into memory${expected}`
      return noted(text, { doing: `The mentor is waking up${expected} …` })
    }
    case 'attempt': {
      const text =
        event.reason === undefined ? `attempt ${event.attempt}` : `attempt ${event.attempt} after ${event.reason}`
      const doing =
        event.attempt === 1
          ? 'The mentor is thinking …'
          : `Looking for the mentor again (try\u00A0${event.attempt})\u00A0…`
      return noted(`${text} at ${event.backend}`, { doing, attempts: event.attempt, backend: event.backend })
    }
    case 'delta': {
      const more = {
        text: turn.text + event.text,
        tokens: turn.tokens + 1,
        state: 'answering' as const,
        writtenBy: turn.backend,
      }
      return turn.firstTokenMs === undefined
        ? noted(FIRST_TOKEN, { ...more, firstTokenMs: atMs })
        : { ...turn, ...more }
    }
    case 'resumed': {
      const seam = { atChar: event.atChar, isElsewhere: event.backend !== turn.writtenBy }
      return noted(`went on from character ${event.atChar} at ${event.backend}`, {
        seams: [...turn.seams, seam],
        attempts: event.attempt,
        backend: event.backend,
      })
    }
    case 'finish':
      return afterFinish(turn, event, atMs, fault)
  }
}

function afterFinish(turn: Turn, { answer }: FinishEvent, atMs: number, fault: SurefootError | undefined): Turn {
  const ended: Turn = {
    ...turn,
    attempts: answer.attempts,
    backend: answer.backend ?? turn.backend,
    served: answer.served,
    reason: answer.reason,
    model: answer.model,
    variant: answer.variant,
    ageMs: answer.cachedAtMs === undefined ? undefined : Math.max(0, turn.askedAtMs + atMs - answer.cachedAtMs),
    runId: answer.id,
    tookMs: atMs,
  }
  if (answer.served === 'fallback') {
    // The reply came as a delta too, which is no token of a model.
    const trail = turn.trail.filter((entry) => entry.text !== FIRST_TOKEN)
    return {
      ...ended,
      state: 'whole',
      text: answer.message.content,
      firstTokenMs: undefined,
      // A fault of a question before this one may still be in hand: the server can have fallen back itself.
      problem:
        fault?.code === answer.reason && fault !== undefined ? problemOfError(fault) : problemOfCode(answer.reason),
      trail: [...trail, { atMs, text: `no answer: ${answer.reason ?? 'unknown reason'}` }],
    }
  }
  const { eval_count: count, eval_duration: durationNs } = answer
  // A cached answer tells of the pace at which it was once written.
  const isWrittenNow = answer.served !== 'cache' && count !== undefined && durationNs
  const tokensPerSecond = isWrittenNow ? (count * 1e9) / durationNs : undefined
  return {
    ...ended,
    state: 'whole',
    text: answer.message.content,
    tokensPerSecond,
    trail: [...turn.trail, ...waysOf(ended).map((text) => ({ atMs, text })), { atMs, text: wholeAt(tokensPerSecond) }],
  }
}

/** How an answer came about, in the words of the machinery. */
function waysOf({ served, reason, model, variant, ageMs }: Turn): string[] {
  const why = reason === undefined ? '' : `, because of ${reason}`
  const age = ageMs === undefined ? '' : `, written ${duration(ageMs)} ago`
  return [
    ...(variant === undefined ? [] : [`took part in an experiment: ${variant}`]),
    ...(served === 'cache' ? [`from the cache${age}${why}`] : []),
    ...(served === 'degraded' ? [`another model answered, ${model}${why}`] : []),
  ]
}

function wholeAt(tokensPerSecond: number | undefined): string {
  return tokensPerSecond === undefined ? 'whole' : `whole, ${Math.round(tokensPerSecond)} tokens/s`
}

/** The turn after its run threw; an error that is the person's own stop is no problem. */
export function turnAfterError(turn: Turn, error: unknown, atMs: number): Turn {
  const trailWith = (text: string): readonly TrailEntry[] => [...turn.trail, { atMs, text }]
  if (error instanceof DOMException && error.name === 'AbortError') {
    return { ...turn, state: 'stopped', tookMs: atMs, trail: trailWith('stopped') }
  }
  const known = SurefootError.is(error)
  const problem = known
    ? problemOfError(error)
    : { message: 'Something went wrong on this page.', hint: ERROR_CODES.INTERNAL.hint }
  return {
    ...turn,
    state: turn.text === '' ? 'failed' : 'broken',
    attempts: (known ? error.attempts : undefined) ?? turn.attempts,
    tookMs: atMs,
    problem,
    trail: trailWith(known ? `ended: ${error.code}` : 'ended'),
  }
}

function problemOfError({ code, message, hint, neededTokens, availableTokens }: SurefootError): Problem {
  const isSized = neededTokens !== undefined || availableTokens !== undefined
  return { code, message, hint, ...(isSized && { size: { needed: neededTokens, available: availableTokens } }) }
}

function problemOfCode(code: string | undefined): Problem {
  if (code === undefined || !Object.hasOwn(ERROR_CODES, code)) {
    return { code, message: 'Nothing could answer.', hint: ERROR_CODES.CANNOT_CONNECT.hint }
  }
  const { meaning, hint } = ERROR_CODES[code as ErrorCode]
  return { code, message: meaning, hint }
}
