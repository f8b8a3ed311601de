import type { Priority } from '@surefoot/protocol'

/** One call that a caller makes. */
export interface Question {
  /** Length of the whole answer, in tokens. */
  readonly tokens: number
  /** The caller's own limit (`num_predict`); the answer ends there. @default none */
  readonly limit?: number | undefined
  readonly streamed: boolean
  /** Time to the first token of a model in memory, in milliseconds. */
  readonly promptMs: number
  /** @default the configured deadline */
  readonly deadlineMs?: number | undefined
  /** The caller leaves after so many milliseconds. @default never */
  readonly leavesAfterMs?: number | undefined
  /** How long the reader of a stream takes for each piece, in milliseconds. @default 0 */
  readonly readMs?: number | undefined
  /** @default the configured model */
  readonly model?: string | undefined
  /** Whose call it is. @default nobody's */
  readonly tenant?: string | undefined
  /** @default 'normal' */
  readonly priority?: Priority | undefined
  /** The request is wrong, and Ollama says so. @default false */
  readonly isWrong?: boolean | undefined
}
