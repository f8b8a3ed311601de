import * as z from 'zod/mini'

/** A tool call as Ollama prints it; its arguments keep their order and are not interpreted. */
export type ToolCall = Record<string, unknown>

/** One message of a conversation, as in Ollama's `/api/chat`. */
export interface ChatMessage {
  readonly role: string
  readonly content: string
  readonly thinking?: string | undefined
  readonly images?: readonly string[] | undefined
  readonly tool_calls?: readonly ToolCall[] | undefined
  readonly [more: string]: unknown
}

/**
 * Ollama's chat body. `model` may be left out, then the configured default model answers.
 * Fields that Surefoot does not know are handed on to Ollama untouched.
 */
export interface ChatRequest {
  readonly model?: string | undefined
  readonly messages: readonly ChatMessage[]
  readonly stream?: boolean | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly format?: unknown
  readonly tools?: readonly unknown[] | undefined
  readonly think?: unknown
  readonly keep_alive?: string | number | undefined
  readonly [more: string]: unknown
}

/** A question as one plain string, or Ollama's own chat body. */
export type ChatInput = string | ChatRequest

// The small flavour of zod: this schema travels with the SDK into browsers.
const text = (what: string, ...checks: Parameters<z.ZodMiniString['check']>): z.ZodMiniString =>
  z.string(`${what} must be a string`).check(...checks)

const chatMessageSchema: z.ZodMiniType<ChatMessage> = z.looseObject(
  {
    role: text('role', z.minLength(1, 'role must not be empty')),
    content: text('content'),
    thinking: z.optional(text('thinking')),
    images: z.optional(
      z.array(text('an image'), 'images must be a list of base64 strings').check(z.maxLength(16, 'at most 16 images')),
    ),
    tool_calls: z.optional(z.array(z.looseObject({}), 'tool_calls must be a list of objects')),
  },
  'a message must be an object with role and content',
)

/** The form of {@link ChatRequest}; what it lacks or has wrong is said in one sentence by `sentenceFromIssues`. */
export const chatRequestSchema: z.ZodMiniType<ChatRequest> = z.looseObject(
  {
    model: z.optional(
      text(
        'model',
        z.refine((name: string) => name.trim() !== '', 'model must not be empty'),
        z.maxLength(256, 'model must have at most 256 characters'),
      ),
    ),
    messages: z
      .array(chatMessageSchema, 'messages must be a list of messages')
      .check(
        z.minLength(1, 'messages must hold at least one message'),
        z.maxLength(1000, 'messages must hold at most 1000 messages'),
      ),
    stream: z.optional(z.boolean('stream must be true or false')),
    options: z.optional(z.record(z.string(), z.unknown(), 'options must be an object')),
    format: z.optional(z.unknown()),
    tools: z.optional(z.array(z.unknown(), 'tools must be a list')),
    think: z.optional(z.unknown()),
    keep_alive: z.optional(z.union([z.string(), z.number()], 'keep_alive must be a duration or a number of seconds')),
  },
  'the request must be an object with messages',
)

/** Ollama's statistics of one answer; durations in nanoseconds, as Ollama prints them. */
export interface ChatStatistics {
  readonly total_duration?: number | undefined
  readonly load_duration?: number | undefined
  readonly prompt_eval_count?: number | undefined
  readonly prompt_eval_duration?: number | undefined
  readonly eval_count?: number | undefined
  readonly eval_duration?: number | undefined
}

/** One line of an answer, exactly as Ollama's `/api/chat` streams it. */
export interface ChatChunk extends ChatStatistics {
  readonly model: string
  readonly created_at: string
  readonly message: ChatMessage
  readonly done: boolean
  readonly done_reason?: string | undefined
}

/** How an answer came about. */
export type Served = 'model' | 'cache' | 'degraded' | 'fallback'

/** A whole answer: Ollama's fields, and how it came about; {@link answerToChunk} leaves only the first. */
export interface ChatAnswer extends ChatChunk {
  readonly done: true
  /** The id of the run that made it. */
  readonly id: string
  /** `model` unless another way than the asked-for model had to be taken. */
  readonly served: Served
  /** Why it was not served by the model; an error code. */
  readonly reason?: string | undefined
  /** The arm of an experiment that answered, as `experiment/variant`; absent where the call took part in none. */
  readonly variant?: string | undefined
  /** Epoch milliseconds at which a model wrote it; only where it comes from the cache. */
  readonly cachedAtMs?: number | undefined
  /** How many attempts it took, the first included. 0 when no backend was asked. */
  readonly attempts: number
  /** How many times a broken stream was continued. */
  readonly resumed: number
  /** The backend that ended it, as its URL without credentials. */
  readonly backend?: string | undefined
}

/** Ollama's own fields of an answer, without those that Surefoot adds. */
export function answerToChunk(answer: ChatAnswer): ChatChunk {
  const {
    id: _id,
    served: _served,
    reason: _reason,
    variant: _variant,
    cachedAtMs: _cachedAtMs,
    attempts: _attempts,
    resumed: _resumed,
    backend: _backend,
    ...chunk
  } = answer
  return chunk
}
