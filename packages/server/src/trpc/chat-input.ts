import { chatRequestSchema, isRunId, sentenceFromIssues, SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput, ChatRequest, Priority } from '@surefoot/protocol'
import { z } from 'zod'
import type { $ZodError } from 'zod/v4/core'

/** What may be said about one call beside the question, in both forms. */
export interface ChatInputOptions {
  readonly system?: string | undefined
  readonly temperature?: number | undefined
  readonly model?: string | undefined
  /** Time for the whole call in milliseconds, waiting included. */
  readonly deadlineMs?: number | undefined
  /** Who goes first when calls wait. @default 'normal' */
  readonly priority?: Priority | undefined
  /** Whose call it is; where the server has keys it is the key's, whatever is said here. */
  readonly tenant?: string | undefined
  /** Calls with one key prefer one backend. */
  readonly affinityKey?: string | undefined
  /** Calls with one key all get the same variant of an experiment. */
  readonly stickyKey?: string | undefined
  /** Whether the answer may come from the cache. @default for deterministic calls */
  readonly cache?: boolean | undefined
  /** The id of the run, a UUID. @default a new one */
  readonly runId?: string | undefined
  /** Whether a streamed answer that breaks may go on from its last character. @default as configured */
  readonly resume?: boolean | undefined
}

/** One question as plain text. */
export interface MessageInput extends ChatInputOptions {
  readonly message: string
}

/** Ollama's chat body, and the same options beside it. */
export type BodyInput = ChatRequest & ChatInputOptions

/** Input of the procedure `chat`. */
export type ChatProcedureInput = MessageInput | BodyInput

/** Input of the procedure `chatStream`. */
export type ChatStreamProcedureInput = ChatProcedureInput & {
  /** The caller puts the answer together itself and wants no deltas: a broken answer is then simply asked for again. */
  readonly buffered?: boolean | undefined
}

const TEMPERATURE = 'temperature must be a number from 0 to 2'
const DEADLINE = 'deadlineMs must be a number of milliseconds greater than 0'

const PRIORITY = 'priority must be critical, high, normal or low'

const keyField = (name: string) => {
  const said = `${name} must be a text of 1 to 256 characters`
  return z.string(said).min(1, said).max(256, said).optional()
}

const optionFields = {
  system: z.string('system must be a string').optional(),
  temperature: z.number(TEMPERATURE).min(0, TEMPERATURE).max(2, TEMPERATURE).optional(),
  model: z
    .string('model must be a string')
    .refine((name) => name.trim() !== '', 'model must not be empty')
    .max(256, 'model must have at most 256 characters')
    .optional(),
  deadlineMs: z.number(DEADLINE).positive(DEADLINE).optional(),
  priority: z.enum(['critical', 'high', 'normal', 'low'], PRIORITY).optional(),
  tenant: keyField('tenant'),
  affinityKey: keyField('affinityKey'),
  stickyKey: keyField('stickyKey'),
  cache: z.boolean('cache must be true or false').optional(),
  runId: z.string('runId must be a UUID').refine(isRunId, 'runId must be a UUID').optional(),
  buffered: z.boolean('buffered must be true or false').optional(),
  resume: z.boolean('resume must be true or false').optional(),
}

const optionsSchema = z.looseObject(optionFields)

/** A body names its model itself. */
const BESIDE_A_BODY: ReadonlySet<string> = new Set(Object.keys(optionFields).filter((name) => name !== 'model'))

const messageSchema = z.object(
  {
    message: z.string('message must be a string').refine((text) => text.trim() !== '', 'message must not be empty'),
    ...optionFields,
  },
  'the input must be an object with message or messages',
)

/** Checks the input of `chat`. @throws SurefootError `INVALID_REQUEST` with one sentence. */
export function parseChatInput(value: unknown): ChatProcedureInput {
  return parse(value)
}

/** Checks the input of `chatStream`. @throws SurefootError `INVALID_REQUEST` with one sentence. */
export function parseChatStreamInput(value: unknown): ChatStreamProcedureInput {
  return parse(value)
}

/** The two arguments of `run` and `chat`. */
export function inputToCall(input: ChatStreamProcedureInput): [input: ChatInput, options: CallOptions] {
  if (isMessageInput(input)) {
    const { message, ...options } = input
    return [message, options]
  }
  const entries = Object.entries(input)
  const options: CallOptions = Object.fromEntries(entries.filter(([name]) => BESIDE_A_BODY.has(name)))
  const body = Object.fromEntries(entries.filter(([name]) => !BESIDE_A_BODY.has(name)))
  return [body as unknown as ChatRequest, options]
}

function parse(value: unknown): ChatStreamProcedureInput {
  // Not a union: of one that fails, zod cannot say which form was meant.
  const hasMessages = typeof value === 'object' && value !== null && 'messages' in value
  const form = hasMessages ? chatRequestSchema.safeParse(value) : messageSchema.safeParse(value)
  if (!form.success) throw refusal(form.error)
  const options = optionsSchema.safeParse(value)
  if (!options.success) throw refusal(options.error)
  return form.data as ChatStreamProcedureInput
}

function isMessageInput(input: ChatProcedureInput): input is MessageInput {
  return !('messages' in input)
}

function refusal(error: $ZodError): SurefootError {
  return new SurefootError({ code: 'INVALID_REQUEST', message: sentenceFromIssues(error) }, { cause: error })
}
