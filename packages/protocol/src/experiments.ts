/** A measured value with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
  /** How many observations it rests on. */
  readonly count: number
}

/** What is known of one arm of an experiment. */
export interface VariantReport {
  readonly name: string
  readonly model: string
  /** Its share of the weights, 0 to 1. */
  readonly share: number
  /** Keys that it was chosen for. */
  readonly sessions: number
  /** Calls that ended, however; those their callers ended are not counted. */
  readonly calls: number
  /** Share of the calls that this variant itself answered: one that `degrade` rescued is a failure. */
  readonly success?: Estimate | undefined
  readonly firstTokenMs?: Estimate | undefined
  readonly tokensPerSecond?: Estimate | undefined
  readonly answerTokens?: Estimate | undefined
  /** Share of the judged answers that people found good. */
  readonly feedback?: Estimate | undefined
  /** Copies of live calls that ran on idle slots, seen by no user. */
  readonly shadows: { readonly begun: number; readonly whole: number; readonly cancelled: number }
}

/** One experiment as it stands now. */
export interface ExperimentReport {
  readonly name: string
  /** The model whose calls take part. */
  readonly model: string
  /** What the test is about: answers given, or answers found good. */
  readonly goal: 'success' | 'feedback'
  readonly variants: readonly VariantReport[]
  /**
   * The variant that a sequential test has found better than every other one: with 95 % certainty, however often it is
   * looked at. Absent as long as none is.
   */
  readonly winner?: string | undefined
  /** Epoch milliseconds since when there is a winner. */
  readonly decidedAtMs?: number | undefined
  /** Sessions the test has counted. */
  readonly observed: number
}
