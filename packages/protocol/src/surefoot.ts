import type { ChatAnswer, ChatChunk, ChatInput, ChatRequest } from './chat.ts'
import type { RunEvent } from './events.ts'
import type { ExperimentReport } from './experiments.ts'
import type { BackendStatus, HealthReport, ModelInfo } from './status.ts'

/** How important a call is; calls that wait for a slot go in this order. */
export type Priority = 'critical' | 'high' | 'normal' | 'low'

/** What a caller may say about one call besides the question itself. */
export interface CallOptions {
  /** The system prompt; for a plain string, or put before the messages of a body that has none. */
  readonly system?: string | undefined
  /** @default 0.7 for a plain string; for a body, what its `options` say */
  readonly temperature?: number | undefined
  /** @default the configured model */
  readonly model?: string | undefined
  /** Ends the call: a queued one leaves the queue, a running one stops generating. */
  readonly signal?: AbortSignal | undefined
  /** Time for the whole call in milliseconds, waiting included. @default 900_000 */
  readonly deadlineMs?: number | undefined
  /** Who goes first when calls wait; whoever has waited for long goes before, too. @default 'normal' */
  readonly priority?: Priority | undefined
  /** Whose call this is: among calls of one priority, whoever has had the least service goes first. */
  readonly tenant?: string | undefined
  /**
   * Calls with one key prefer the backend that served the last of them, as it still holds the beginning of their
   * conversation. @default the beginning of the conversation itself
   */
  readonly affinityKey?: string | undefined
  /**
   * Who stays with one variant of an experiment: calls with one key all get the same.
   * @default `tenant`, else `affinityKey`, else the beginning of the conversation
   */
  readonly stickyKey?: string | undefined
  /**
   * Whether an answer to the same question may be taken from the cache and kept there; only where a cache is configured.
   * @default true for deterministic calls (temperature 0, or a seed), false for others
   */
  readonly cache?: boolean | undefined
  /** The id of the run, a UUID: it is then the same on both sides of a wire. @default a new one */
  readonly runId?: string | undefined
  /**
   * The caller wants the answer as a whole: a broken stream is then simply asked for again, and the run's events hold
   * no `delta`. @default false for `run`, true for `chat` without `stream`
   */
  readonly buffered?: boolean | undefined
  /**
   * Whether a streamed answer that breaks may go on from its last character; if not, or where that is not possible, it
   * fails with the text so far. @default as configured: true
   */
  readonly resume?: boolean | undefined
}

/** One generation: its events as they come, and its whole answer. */
export interface Run extends AsyncIterable<RunEvent> {
  /** Unguessable; in log records and errors. */
  readonly id: string
  /** Rejects with a `SurefootError`, or with the reason of the caller's own abort. */
  readonly answer: Promise<ChatAnswer>
  /** Ends the run; Ollama stops generating. Leaving the loop early does the same. */
  stop(reason?: unknown): void
}

/** An answer as a stream of Ollama's lines, with `abort()` as in ollama-js. */
export interface ChatStream extends AsyncIterable<ChatChunk> {
  abort(): void
}

/**
 * Reliable chat with local models; what `createSurefoot` of core (in process) and `createClient` of the SDK (remote)
 * return.
 */
export interface Surefoot extends AsyncDisposable {
  /** Starts a generation and returns at once. */
  run(input: ChatInput, options?: CallOptions): Run
  /** One answer: whole, or as a stream when the body says `stream: true`. Made so that ollama-js code moves over in one line. */
  chat(input: ChatRequest & { readonly stream: true }, options?: CallOptions): Promise<ChatStream>
  chat(input: ChatInput, options?: CallOptions): Promise<ChatAnswer>
  /** What is reachable, installed, in memory and allowed; cached 30 s unless `force`. */
  health(options?: {
    readonly force?: boolean | undefined
    readonly signal?: AbortSignal | undefined
  }): Promise<HealthReport>
  /** The installed models of all backends. */
  models(options?: { readonly signal?: AbortSignal | undefined }): Promise<ModelInfo[]>
  /** Every backend's state now; asks no backend. */
  backends(options?: { readonly signal?: AbortSignal | undefined }): Promise<BackendStatus[]>
  /** What is known of the configured experiments; asks no backend. */
  experiments(options?: { readonly signal?: AbortSignal | undefined }): Promise<ExperimentReport[]>
  /**
   * A person's judgement of an answer, by the id of its run; a second one replaces the first.
   *
   * @returns false when the run took part in no experiment, or too long ago.
   */
  feedback(runId: string, isGood: boolean, options?: { readonly signal?: AbortSignal | undefined }): Promise<boolean>
  /** Takes no new calls, lets the running ones end, then closes its sockets. */
  close(): Promise<void>
}
