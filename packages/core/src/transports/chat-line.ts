import type { ChatChunk } from '@surefoot/protocol'

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

/** Reads one line. Anything that is not a chat line of Ollama is `bad`; nothing is ever skipped (F25). */
export function readChatLine(bytes: Buffer): ChatLine {
  const value = parsed(bytes)
  if (value === undefined) return { kind: 'bad' }
  return errorLine(value) ?? (isChatChunk(value) ? chatLine(bytes, value) : { kind: 'bad' })
}

/** Reads one line of `/api/generate` as the chat line it would be: `response` is the content of a message. */
export function readGenerateLine(bytes: Buffer): ChatLine {
  const value = parsed(bytes)
  if (value === undefined) return { kind: 'bad' }
  const { response, context: _context, ...rest } = value as { response?: unknown; context?: unknown }
  const chunk = { ...rest, message: { role: 'assistant', content: response } }
  if (!isChatChunk(chunk)) return errorLine(value) ?? { kind: 'bad' }
  // In the order of Ollama's chat lines.
  const { model, created_at, message, ...more } = chunk
  const line: ChatChunk = { model, created_at, message, ...more }
  return errorLine(value) ?? chatLine(Buffer.from(JSON.stringify(line)), line)
}

function parsed(bytes: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function errorLine(value: object): ChatLine | undefined {
  const { error } = value as { error?: unknown }
  if (error === undefined || error === null) return undefined
  return { kind: 'error', text: typeof error === 'string' ? error : JSON.stringify(error) }
}

function chatLine(bytes: Buffer, chunk: ChatChunk): ChatLine {
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
  const { message, done } = value as { message?: { content?: unknown }; done?: unknown }
  if (typeof message !== 'object' || message === null || typeof message.content !== 'string') return false
  return typeof done === 'boolean' || typeof (value as { done_reason?: unknown }).done_reason === 'string'
}
