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
  /** What is asked; calls with the same one ask the same. @default something that nobody else asks */
  readonly topic?: number | undefined
  /** 0 makes it deterministic. @default what the model does by itself */
  readonly temperature?: number | undefined
  /** The context that the caller names, in tokens. @default none */
  readonly numCtx?: number | undefined
  /** Words after the question, each a token; and how many bytes they have. @default 0 and 4 */
  readonly promptTokens?: number | undefined
  readonly wordLength?: number | undefined
  /** Words of each message before the question. @default none */
  readonly history?: readonly number[] | undefined
  /** Who stays with one variant of an experiment. @default the tenant, else what is asked */
  readonly stickyKey?: string | undefined
}
