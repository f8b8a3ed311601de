import { chatRequestSchema, SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatRequest, Priority } from '@surefoot/protocol'

/** Ollama takes `null` for absent; so do these fields, and only these: what is not known here is handed on as it is. */
const NULLABLE_OF_BODY = ['model', 'messages', 'stream', 'options', 'format', 'tools', 'think', 'keep_alive']
const NULLABLE_OF_MESSAGE = ['content', 'thinking', 'images', 'tool_calls']

const PRIORITIES: readonly string[] = ['critical', 'high', 'normal', 'low'] satisfies Priority[]
/** The longest affinity key, as in the options of a call. */
const LONGEST_KEY = 256

/**
 * Reads the body of Ollama's `/api/chat`.
 *
 * @throws SurefootError `INVALID_REQUEST`, or a ZodError with what is wrong.
 */
export function parseChatRequest(body: unknown): ChatRequest {
  if (!isRecord(body)) return chatRequestSchema.parse(body)
  const request = withoutNulls(body, NULLABLE_OF_BODY)
  const { messages } = request
  if (messages === undefined || (Array.isArray(messages) && messages.length === 0)) throw loadRefusal()
  return chatRequestSchema.parse(
    Array.isArray(messages) ? { ...request, messages: messages.map(readMessage) } : request,
  )
}

/**
 * What the headers of a request say about the call.
 *
 * @throws SurefootError `INVALID_REQUEST` for a priority, a key or a flag that is none.
 */
export function headersToOptions(header: (name: string) => string | undefined): CallOptions {
  const priority = header('x-surefoot-priority')
  const affinityKey = header('x-surefoot-affinity')
  const stickyKey = header('x-surefoot-sticky')
  const cache = header('x-surefoot-cache')
  if (priority !== undefined && !PRIORITIES.includes(priority)) {
    throw invalid('x-surefoot-priority must be critical, high, normal or low.')
  }
  if (cache !== undefined && cache !== 'true' && cache !== 'false') {
    throw invalid('x-surefoot-cache must be true or false.')
  }
  checkKey('x-surefoot-affinity', affinityKey)
  checkKey('x-surefoot-sticky', stickyKey)
  return {
    priority: priority as Priority | undefined,
    affinityKey,
    stickyKey,
    ...(cache !== undefined && { cache: cache === 'true' }),
  }
}

function checkKey(name: string, key: string | undefined): void {
  if (key === undefined || (key !== '' && key.length <= LONGEST_KEY)) return
  throw invalid(`${name} must be a text of 1 to ${LONGEST_KEY} characters.`)
}

/** Ollama takes a message without `content` where something else stands for it; clients leave it out beside tool calls. */
function readMessage(given: unknown): unknown {
  if (!isRecord(given)) return given
  const message = withoutNulls(given, NULLABLE_OF_MESSAGE)
  if (message['content'] !== undefined) return message
  const hasOther = ['tool_calls', 'thinking', 'images'].some((name) => message[name] !== undefined)
  return hasOther ? { ...message, content: '' } : message
}

function withoutNulls(fields: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  if (!names.some((name) => fields[name] === null)) return fields
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => value !== null || !names.includes(name)))
}

/** With Ollama a chat without messages loads the model, or with `keep_alive: 0` unloads it. */
function loadRefusal(): SurefootError {
  return new SurefootError({
    code: 'INVALID_REQUEST',
    message:
      'messages must hold at least one message: a chat without messages, which loads or unloads a model, is not taken ' +
      'here. Surefoot loads a model when it is asked for; keep_alive beside messages says how long it stays.',
  })
}

function invalid(message: string): SurefootError {
  return new SurefootError({ code: 'INVALID_REQUEST', message })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
