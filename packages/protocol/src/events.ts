import type { ChatAnswer, ToolCall } from './chat.ts'
import type { ErrorCode } from './error-codes.ts'

/** The call waits for a slot. Sent again when the place changes notably. */
export interface QueuedEvent {
  readonly type: 'queued'
  /** 1 is next. */
  readonly position: number
  /** Why it waits: for a slot, or for any backend to come back. */
  readonly waitingFor: 'slot' | 'backend'
  /** Measured expectation in milliseconds; absent until something was measured. */
  readonly expectedWaitMs?: number | undefined
}

/** The backend has to load the model first; this can take minutes. */
export interface LoadingEvent {
  readonly type: 'loading'
  readonly model: string
  readonly backend: string
  /** Learned from earlier loads, in milliseconds; absent the first time. */
  readonly expectedMs?: number | undefined
}

/** A try on a backend begins. */
export interface AttemptEvent {
  readonly type: 'attempt'
  /** 1-based, counts the first. */
  readonly attempt: number
  readonly backend: string
  /** Why the attempt before this one ended; absent on the first. */
  readonly reason?: ErrorCode | undefined
}

/** Some more of the answer. */
export interface DeltaEvent {
  readonly type: 'delta'
  /** The next characters of the answer; may be empty when only thinking or tool calls came. */
  readonly text: string
  readonly thinking?: string | undefined
  readonly toolCalls?: readonly ToolCall[] | undefined
}

/** A broken stream goes on from its last character. */
export interface ResumedEvent {
  readonly type: 'resumed'
  readonly atChar: number
  readonly attempt: number
  readonly backend: string
}

/** The end, and the only mark of success: a stream that ends without it is broken. */
export interface FinishEvent {
  readonly type: 'finish'
  /** The whole answer, its text in `message.content`. */
  readonly answer: ChatAnswer
}

/** What a run tells while it runs. A run that fails throws a `SurefootError` instead of `finish`. */
export type RunEvent = QueuedEvent | LoadingEvent | AttemptEvent | DeltaEvent | ResumedEvent | FinishEvent
