import type {
  AttemptEvent,
  ChatAnswer,
  ChatChunk,
  ChatRequest,
  DeltaEvent,
  ErrorCode,
  LoadingEvent,
  QueuedEvent,
  SurefootError,
} from '@surefoot/protocol'

import type { Lease } from './backends/lease.ts'

/** What is asked for. A layer that does not concern a kind passes it on. */
export interface Call {
  readonly kind: 'chat' | 'generate' | 'embed'
  readonly model: string
  readonly request: ChatRequest
  /** The request as it goes to a backend: always streamed, printed once. */
  readonly body: Buffer
  /** The caller wants the answer whole: it may be asked for again as long as it is not. */
  readonly buffered: boolean
}

/** What accompanies one call down the stack; one object a call, never shared. */
export interface CallContext {
  /** The run's id. */
  readonly id: string
  /** Ends the call, whoever ended it: the caller, the deadline, the closing client. */
  readonly signal: AbortSignal
  /** Ends the call with that reason. */
  abort(reason: unknown): void
  /** When the call began, on the monotonic clock. */
  readonly startedAtMs?: number
  /** On the monotonic clock; nothing starts that cannot end before it. */
  readonly deadlineAtMs: number
  /** Which try this is, 1-based; counted by `retry`. */
  readonly attempt: number
  /** Why the one before it ended. */
  readonly reason?: ErrorCode | undefined
  /** Backends that failed this call already; `dispatch` prefers others. */
  readonly exclude: ReadonlySet<string>
  /**
   * Begin only on a backend outside `exclude` that is idle for this model and has it in memory, and only at once: else
   * `dispatch` rejects with `NotFree`. Set by `hedge` for its second attempt.
   */
  readonly onlyIfIdle?: boolean | undefined
  /** The place and permission of this attempt; set by `dispatch`, for `transport` alone. */
  readonly lease?: Lease | undefined
  /** Tells the caller what happens meanwhile. */
  emit(event: QueuedEvent | LoadingEvent | AttemptEvent): void
  /** Runs once when the call has ended, with how it ended. */
  defer(cleanup: (end: CallEnd) => void): void
}

/** How a call ended, seen from the caller. */
export type CallEnd =
  | { readonly kind: 'answered'; readonly answer: ChatAnswer }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'failed'; readonly error: SurefootError }

/** One piece of an answer: the bytes as they came, and what is in them. */
export interface Delta extends DeltaEvent {
  /** The line without its line end, exactly as the backend sent it. */
  readonly bytes: Uint8Array
  /** The line, parsed. */
  readonly chunk: ChatChunk
}

/** The terminal marker of an answer. */
export interface Final {
  readonly bytes: Uint8Array
  readonly chunk: ChatChunk
}

/**
 * A promise kept: the first token is in hand. The body yields deltas, returns the terminal marker, or throws the
 * classified failure; `return()` gives everything back at once.
 */
export interface Reply {
  readonly backend: string
  readonly body: AsyncGenerator<Delta, Final, void>
}

/** Everything in the stack has this one shape. The moment the promise resolves is the commit point. */
export type Service = (call: Call, context: CallContext) => Promise<Reply>

/** A behaviour, wrapped around what comes below it. */
export type Layer = (next: Service) => Service
