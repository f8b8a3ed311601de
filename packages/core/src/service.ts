import type {
  AttemptEvent,
  ChatAnswer,
  ChatChunk,
  ChatRequest,
  DeltaEvent,
  ErrorCode,
  LoadingEvent,
  Priority,
  QueuedEvent,
  ResumedEvent,
  Served,
  SurefootError,
} from '@surefoot/protocol'

import type { ContinuationMode } from './backends/continuation-mode.ts'
import type { Lease } from './backends/lease.ts'
import type { Options } from './load-options.ts'
import type { AttemptFailure } from './outcome/attempt-failure.ts'

/** What is asked for. A layer that does not concern a kind passes it on. */
export interface Call {
  readonly kind: 'chat' | 'generate' | 'embed'
  readonly model: string
  readonly request: ChatRequest
  /** The request as it goes to a backend: always streamed, printed once; set by `prepare`, for `transport` alone. */
  readonly body?: Buffer | undefined
  /**
   * Both as they are to be sent now: while a call waited, another one may have needed a larger context, and the options
   * of before would make Ollama load the model anew. With the load options of a lease as they are to be sent with it. Set by
   * `prepare`, for `transport` alone.
   */
  readonly latest?: ((loadedWith?: Options) => Pick<Call, 'request' | 'body'>) | undefined
  /**
   * After a refusal of the prompt as too long: raises the context where that is allowed, and says whether asking again
   * makes sense. Set by `prepare`, for `resume`, which asks with half an answer more.
   */
  readonly makeRoom?: ((refusal: AttemptFailure) => Promise<boolean>) | undefined
  /** What the model's tag stands for on most backends, where that is known; set by `prepare`. */
  readonly digest?: string | undefined
  /** The caller wants the answer whole: it may be asked for again as long as it is not. */
  readonly buffered: boolean
  /** @default 'normal' */
  readonly priority?: Priority | undefined
  /** Whose call it is, for fairness and budget; calls without one are all of one tenant. */
  readonly tenant?: string | undefined
  /** What of the conversation a backend may still hold. */
  readonly affinityKey?: string | undefined
  /** Length of the prompt in characters: the measure of the work before the first token. @default 0 */
  readonly promptLength?: number | undefined
  /** Whether a broken stream may be gone on from; absent: as configured. */
  readonly resume?: boolean | undefined
  /** Whether it may be answered from the cache and kept there; absent: if it is deterministic. */
  readonly cache?: boolean | undefined
  /** Who stays with one variant of an experiment. */
  readonly stickyKey?: string | undefined
}

/** What a call may take; of a run that several calls have joined the most generous of theirs. */
export interface Terms {
  /** On the monotonic clock. */
  readonly deadlineAtMs: number
  readonly priority: Priority
  /** Calls back when they have become more generous, until the returned function is called. */
  onChange(listener: () => void): () => void
}

/** How long a call waits for one model when there is another way to answer. */
export interface CallPatience {
  /** On the monotonic clock: who has no slot by then is refused. */
  readonly untilMs: number
  /**
   * Present where there is no further model: then it waits for a backend to come back, a slot or a load, as it would without
   * another way. Absent: it is refused as soon as none is usable, or the wait for a slot or a load is expected to be longer.
   */
  readonly ready?: ReadyPatience | undefined
}

/** How a call waits for a backend to come back, and what ends it. */
export interface ReadyPatience {
  /** On the monotonic clock: no backend is waited for after that. */
  readonly untilMs: number
  /**
   * The models that it could not be sent to: it is let go with `BetterModelBack` as soon as one of them has a backend again.
   */
  readonly insteadOf: readonly string[]
}

/** The half of an answer that its caller has already, and what must be known to go on from it. */
export interface ContinueFrom {
  /** What the backend is to go on after; never ends in white space. */
  readonly text: string
  /** Tokens it took, as far as they were counted. */
  readonly tokens: number
  /** Digest of the model that wrote it; where it is not known only the backend it broke on may go on. */
  readonly digest: string | undefined
  /** The backend it broke on last. */
  readonly brokenOn: string
  /** Backends that fell silent in the middle, and when, on the monotonic clock: not asked before they are seen alive. */
  readonly silentAtMs: ReadonlyMap<string, number>
  /** The proven way to go on; set by `dispatch`, for `transport` alone. */
  readonly mode?: ContinuationMode | undefined
}

/** What one call has cost so far, counted by every layer that sends attempts. */
export interface Spent {
  /** Failed attempts that cost a backend work. */
  costly: number
  /** So many are too many: a segment after the first begins no further attempt then. */
  readonly most: number
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
  /** In the place of the call's own deadline and priority, where others have joined it; set by `cache`. */
  readonly terms?: Terms | undefined
  /** There is another way to answer, and this one is given up for it; set by `degrade`. Ends at the commit point. */
  readonly patience?: CallPatience | undefined
  /** Which try this is, 1-based; counted by `retry`. */
  readonly attempt: number
  /** Why the one before it ended, or the model before this one did not answer. */
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
  /** The half answer to go on from; set by `resume`, which shows nothing of it again. */
  readonly continueFrom?: ContinueFrom | undefined
  /** Shared by all attempts of the call; set by `resume`. */
  readonly spent?: Spent | undefined
  /** Tells the caller what happens meanwhile. */
  emit(event: QueuedEvent | LoadingEvent | AttemptEvent | ResumedEvent): void
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

/** How an answer came about. */
export interface How {
  readonly served: Served
  /** Why the model that was asked for did not answer. */
  readonly reason?: ErrorCode | undefined
  /** Epoch milliseconds at which a model wrote it; of an answer from the cache. */
  readonly cachedAtMs?: number | undefined
  /** The arm of an experiment, as `experiment/variant`. */
  readonly variant?: string | undefined
}

/**
 * A promise kept: the first token is in hand. The body yields deltas, returns the terminal marker, or throws the
 * classified failure; `return()` gives everything back at once.
 */
export interface Reply {
  /** Empty when none took part. */
  readonly backend: string
  /** Absent when the model that was asked for answers. */
  readonly how?: How | undefined
  readonly body: AsyncGenerator<Delta, Final, void>
}

/** Everything in the stack has this one shape. The moment the promise resolves is the commit point. */
export type Service = (call: Call, context: CallContext) => Promise<Reply>

/** A behaviour, wrapped around what comes below it. */
export type Layer = (next: Service) => Service
