/** Times of several requests, in milliseconds. */
export interface Statistics {
  readonly averageMs: number
  readonly minMs: number
  readonly maxMs: number
  /** Of the sample, as the guide's script computes it; 0 for fewer than two. */
  readonly deviationMs: number
}

/** `undefined` when there is nothing to compute from. */
export function statisticsOf(timesMs: readonly number[]): Statistics | undefined {
  if (timesMs.length === 0) return undefined
  const averageMs = timesMs.reduce((sum, time) => sum + time, 0) / timesMs.length
  const squares = timesMs.reduce((sum, time) => sum + (time - averageMs) ** 2, 0)
  return {
    averageMs,
    minMs: Math.min(...timesMs),
    maxMs: Math.max(...timesMs),
    deviationMs: timesMs.length < 2 ? 0 : Math.sqrt(squares / (timesMs.length - 1)),
  }
}
