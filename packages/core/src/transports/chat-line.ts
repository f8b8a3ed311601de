import type { ChatChunk, ToolCall } from '@surefoot/protocol'

import type { Delta, Final } from '../service.ts'

/** What one line of Ollama's chat stream is. */
export type ChatLine =
  | { readonly kind: 'delta'; readonly delta: Delta }
  | { readonly kind: 'final'; readonly rest: Delta | undefined; readonly final: Final }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'bad' }

/**
 * A piece of an answer. Its parts for a reader are plain fields; the bytes and the parsed line are there too, but do not
 * take part when it is printed as JSON.
 */
class WireDelta implements Delta {
  readonly type = 'delta' as const
  readonly text: string
  readonly thinking?: string | undefined
  readonly toolCalls?: readonly ToolCall[] | undefined
  readonly #bytes: Uint8Array
  readonly #chunk: ChatChunk

  constructor(bytes: Uint8Array, chunk: ChatChunk) {
    this.text = chunk.message.content
    if (chunk.message.thinking !== undefined) this.thinking = chunk.message.thinking
    if (chunk.message.tool_calls !== undefined) this.toolCalls = chunk.message.tool_calls
    this.#bytes = bytes
    this.#chunk = chunk
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  get chunk(): ChatChunk {
    return this.#chunk
  }
}

/** Reads one line. Anything that is not a chat line of Ollama is `bad`; nothing is ever skipped (F25). */
export function readChatLine(bytes: Buffer): ChatLine {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return { kind: 'bad' }
  }
  if (typeof value !== 'object' || value === null) return { kind: 'bad' }
  const { error } = value as { error?: unknown }
  if (error !== undefined && error !== null) {
    return { kind: 'error', text: typeof error === 'string' ? error : JSON.stringify(error) }
  }
  if (!isChatChunk(value)) return { kind: 'bad' }
  // Some engines set only the reason (F22).
  if (!value.done && (value.done_reason ?? '') === '') return { kind: 'delta', delta: new WireDelta(bytes, value) }
  return splitFinal(bytes, { ...value, done: true })
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
    rest: new WireDelta(Buffer.from(JSON.stringify(rest)), rest),
    final: { bytes: Buffer.from(JSON.stringify(last)), chunk: last },
  }
}

function isChatChunk(value: object): value is ChatChunk {
  const { message, done } = value as { message?: { content?: unknown }; done?: unknown }
  if (typeof message !== 'object' || message === null || typeof message.content !== 'string') return false
  return typeof done === 'boolean' || typeof (value as { done_reason?: unknown }).done_reason === 'string'
}
