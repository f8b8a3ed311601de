/** A measured value with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
  /** How many observations it rests on. */
  readonly count: number
}

/**
 * What is known of one arm of an experiment; or, last in the list and named `shadow:` and its model, of the copies that
 * are made of its calls. Shares have Wilson's interval, means Student's.
 */
export interface VariantReport {
  readonly name: string
  readonly model: string
  /** Its share of the weights, 0 to 1. */
  readonly share: number
  /** Keys that it was chosen for, as far as they are remembered: the latest 100,000. */
  readonly sessions: number
  /** Calls that ended, however; those their callers ended are not counted. */
  readonly calls: number
  /** Share of the calls that this variant itself answered: one that `degrade` rescued is a failure. */
  readonly success?: Estimate | undefined
  /** The geometric mean of the waits of callers, queue included: the wait that is typical. From two answers on. */
  readonly firstTokenMs?: Estimate | undefined
  /** What the model makes, queue and prompt not included; mean, from two answers on. */
  readonly tokensPerSecond?: Estimate | undefined
  /** Mean length of an answer, from two on. */
  readonly answerTokens?: Estimate | undefined
  /** Share of the judged answers that people found good. */
  readonly feedback?: Estimate | undefined
  /** Copies of live calls that ran on idle backends, seen by no user; `cancelled` as a call needed the place. */
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
  /** Sessions the test has counted: each once, by its first call that ended or its first judgement. */
  readonly observed: number
}
