import type { ChatChunk, ChatMessage } from '@surefoot/protocol'

import type { Delta, Final } from '../service.ts'
import { WireDelta } from '../wire-delta.ts'

/** What one line of Ollama's chat stream is. */
export type ChatLine =
  /** A sign of life that holds nothing for the reader. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'delta'; readonly delta: Delta }
  | { readonly kind: 'final'; readonly rest: Delta | undefined; readonly final: Final }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'bad' }

/** Of an error's own words only the beginning is read, as of an error body. */
const LONGEST_ERROR = 4096

/** Reads one line. Anything that is not a chat line of Ollama is `bad`; nothing is ever skipped (F25). */
export function readChatLine(bytes: Buffer): ChatLine {
  return read(bytes, fromChat)
}

/** Reads one line of `/api/generate` as the chat line it would be: `response` is the content of a message. */
export function readGenerateLine(bytes: Buffer): ChatLine {
  return read(bytes, fromGenerate)
}

function read(bytes: Buffer, toLine: (value: object, bytes: Buffer) => ChatLine): ChatLine {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null ? toLine(value, bytes) : { kind: 'bad' }
  } catch {
    // What can be read can still be too deep to be printed again.
    return { kind: 'bad' }
  }
}

function fromChat(value: object, bytes: Buffer): ChatLine {
  return errorLine(value) ?? (isChatChunk(value) ? chatLine(bytes, value) : { kind: 'bad' })
}

function fromGenerate(value: object): ChatLine {
  const { response, context: _context, ...rest } = value as { response?: unknown; context?: unknown }
  const chunk = { ...rest, message: { role: 'assistant', content: response } }
  if (!isChatChunk(chunk)) return errorLine(value) ?? { kind: 'bad' }
  // In the order of Ollama's chat lines.
  const { model, created_at, message, ...more } = chunk
  const line: ChatChunk = { model, created_at, message, ...more }
  return errorLine(value) ?? chatLine(Buffer.from(JSON.stringify(line)), line)
}

function errorLine(value: object): ChatLine | undefined {
  const { error } = value as { error?: unknown }
  if (error === undefined || error === null) return undefined
  return { kind: 'error', text: (typeof error === 'string' ? error : JSON.stringify(error)).slice(0, LONGEST_ERROR) }
}

function chatLine(bytes: Buffer, read: ChatChunk): ChatLine {
  const chunk = withoutNulls(read)
  // Some engines set only the reason (F22).
  if (!chunk.done && (chunk.done_reason ?? '') === '') return { kind: 'delta', delta: new WireDelta(bytes, chunk) }
  return splitFinal(bytes, { ...chunk, done: true })
}

/** A final line that still holds text becomes a delta and an empty final line, so that no surface shows it twice or not at all. */
function splitFinal(bytes: Buffer, chunk: ChatChunk): ChatLine {
  const { message } = chunk
  const empty = message.content === '' && message.thinking === undefined && message.tool_calls === undefined
  if (empty) return { kind: 'final', rest: undefined, final: { bytes, chunk } }
  const { model, created_at } = chunk
  const rest = { model, created_at, message, done: false }
  const last = { ...chunk, message: { role: message.role, content: '' } }
  return {
    kind: 'final',
    rest: WireDelta.printed(rest),
    final: { bytes: Buffer.from(JSON.stringify(last)), chunk: last },
  }
}

function isChatChunk(value: object): value is ChatChunk {
  const { message, done, done_reason } = value as { message?: unknown; done?: unknown; done_reason?: unknown }
  if (!isMessage(message) || !isAbsentOr('string', done_reason)) return false
  return typeof done === 'boolean' || (isAbsentOr('boolean', done) && typeof done_reason === 'string')
}

/** What stands between us and Ollama may print a part that is not there as `null`; for everybody above it is absent. */
function withoutNulls(chunk: ChatChunk): ChatChunk {
  const { message } = chunk
  if (message.thinking !== null && message.tool_calls !== null) return chunk
  const present = Object.entries(message).filter(([, value]) => value !== null)
  return { ...chunk, message: Object.fromEntries(present) as unknown as ChatMessage }
}

/** Every part that is read is what it should be: what comes later relies on it. */
function isMessage(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) return false
  const { content, thinking, tool_calls } = message as Record<string, unknown>
  return (
    typeof content === 'string' &&
    isAbsentOr('string', thinking) &&
    (tool_calls === undefined || tool_calls === null || Array.isArray(tool_calls))
  )
}

function isAbsentOr(type: 'string' | 'boolean', value: unknown): boolean {
  return value === undefined || value === null || typeof value === type
}
