import type { ChatChunk } from '@surefoot/protocol'

import type { Final } from '../../service.ts'

const NANOSECONDS = 1e6

/** What is known of the segments that broke; they have no final line that would say it. */
export interface Broken {
  /** Tokens of theirs that reached the caller, as far as they were counted. */
  readonly tokens: number
  /** From the beginning of their attempts to where they broke, all together, in milliseconds. */
  readonly totalMs: number
  /** Of that, from their first tokens on. */
  readonly evalMs: number
}

/**
 * The final line of an answer in several segments. Tokens and durations are summed; the prompt is counted once, without
 * the half answer that the last segment read as a part of it.
 */
export function sumStatistics({ chunk, bytes }: Final, broken: Broken): Final {
  if (broken.tokens === 0 && broken.totalMs === 0) return { chunk, bytes }
  const { total_duration, prompt_eval_count, eval_count, eval_duration } = chunk
  const summed: ChatChunk = {
    ...chunk,
    ...(total_duration !== undefined && { total_duration: total_duration + nanoseconds(broken.totalMs) }),
    ...(prompt_eval_count !== undefined && { prompt_eval_count: Math.max(0, prompt_eval_count - broken.tokens) }),
    ...(eval_count !== undefined && { eval_count: eval_count + broken.tokens }),
    ...(eval_duration !== undefined && { eval_duration: eval_duration + nanoseconds(broken.evalMs) }),
  }
  return { chunk: summed, bytes: Buffer.from(JSON.stringify(summed)) }
}

function nanoseconds(ms: number): number {
  return Math.round(ms * NANOSECONDS)
}
