import type { Served } from '@surefoot/protocol'

import { duration } from './durations.ts'
import type { Turn } from './turn.ts'

/** How an answer came about, in words for a pupil, and for an engineer too. */
export interface CameAbout {
  readonly kind: 'stand-in' | Served | 'broken' | 'failed' | 'stopped'
  /** A sign beside the words, for those who do not see the colour. */
  readonly mark: string
  /** For the line under the answer. */
  readonly label: string
  /** Beside the teacher's name, where it is not simply the teacher's answer. */
  readonly stamp?: string
  /** What happened, in whole sentences. */
  readonly says?: string
}

/** Signs of the four ways, the same wherever they are told. */
export const SERVED_MARKS: Readonly<Record<Served, string>> = { model: '●', cache: '↻', degraded: '⇄', fallback: '✕' }

/** Why a model did not answer, as the end of "llama3.2 …"; other codes are none that a model answers with. */
const WHY: Readonly<Record<string, string>> = {
  MODEL_FAILED: 'cannot run now (not enough memory, for example)',
  MODEL_NOT_FOUND: 'is not installed',
  BREAKER_OPEN: 'failed several times and is left alone for a while',
  CANNOT_CONNECT: 'is out of reach',
  BACKEND_FAILED: 'failed',
  BAD_RESPONSE: 'answered what nobody can read',
  RESPONSE_TIMEOUT: 'was silent for too long',
  DEADLINE_EXCEEDED: 'took too long',
  STREAM_INTERRUPTED: 'broke off',
  OVERLOADED: 'has too many questions',
  QUEUE_FULL: 'has too many questions',
  QUEUE_TIMEOUT: 'has too many questions',
}

/** What is asked on this page. */
export interface Asked {
  /** What stands behind an ordinary answer. */
  readonly origin: 'model' | 'stand-in'
  /** The model that is asked for. */
  readonly model: string
}

/** Tells of a turn that is over how it ended and where its answer came from. */
export function cameAbout(turn: Turn, { origin, model }: Asked): CameAbout {
  if (turn.state === 'broken') return { kind: 'broken', mark: '✕', label: 'broken off' }
  if (turn.state === 'failed') return { kind: 'failed', mark: '✕', label: 'no answer' }
  if (turn.state === 'stopped') return { kind: 'stopped', mark: '■', label: 'stopped' }
  const kind = turn.served ?? 'model'
  const mark = SERVED_MARKS[kind]
  const why = `${model} ${WHY[turn.reason ?? ''] ?? 'cannot answer now'}`
  switch (kind) {
    case 'model':
      return { kind: origin, mark, label: origin }
    case 'cache': {
      const age = turn.ageMs === undefined ? undefined : duration(turn.ageMs)
      const label = age === undefined ? 'from the cache' : `from the cache, ${age} old`
      if (turn.reason !== undefined) {
        const when = age === undefined ? 'an older answer' : `the answer of ${age} ago`
        return { kind, mark, label, stamp: 'older answer', says: `${why}, so this is ${when} to the same question.` }
      }
      const when = age === undefined ? 'just now' : `${age} ago`
      return {
        kind,
        mark,
        label,
        stamp: 'remembered answer',
        says: `The same question was answered ${when}, and this is that answer: no model had to write it again.`,
      }
    }
    case 'degraded': {
      const other = turn.model ?? 'another model'
      const says = `${why}, so ${other} answered in its place.`
      return { kind, mark, label: `another model, ${other}`, stamp: 'answer of another model', says }
    }
    case 'fallback':
      return { kind, mark, label: 'fallback', stamp: 'fallback reply, not from the model' }
  }
}
