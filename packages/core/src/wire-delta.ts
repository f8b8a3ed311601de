import type { ChatChunk, ToolCall } from '@surefoot/protocol'

import type { Delta } from './service.ts'

/**
 * A piece of an answer. Its parts for a reader are plain fields; the bytes and the parsed line are there too, but do not
 * take part when it is printed as JSON.
 */
export class WireDelta implements Delta {
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

  /** A piece that no backend sent in this form: its line is printed here. */
  static printed(chunk: ChatChunk): WireDelta {
    return new WireDelta(Buffer.from(JSON.stringify(chunk)), chunk)
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  get chunk(): ChatChunk {
    return this.#chunk
  }
}

/** The same piece with another text. */
export function withText({ chunk }: Delta, text: string): Delta {
  return WireDelta.printed({ ...chunk, message: { ...chunk.message, content: text } })
}
