import type { ChatAnswer, ChatMessage, ToolCall } from '@surefoot/protocol'

import type { Delta, Final } from './service.ts'

/** Puts an answer together while its pieces pass by. */
export class AnswerBuilder {
  #text = ''
  #thinking: string | undefined
  #toolCalls: ToolCall[] | undefined

  /** The text so far. */
  get text(): string {
    return this.#text
  }

  add(delta: Delta): void {
    this.#text += delta.text
    if (delta.thinking !== undefined) this.#thinking = (this.#thinking ?? '') + delta.thinking
    if (delta.toolCalls !== undefined) this.#toolCalls = [...(this.#toolCalls ?? []), ...delta.toolCalls]
  }

  /** The whole answer, once the terminal marker is here. */
  finish(final: Final, how: Pick<ChatAnswer, 'id' | 'attempts' | 'backend' | 'resumed'>): ChatAnswer {
    const message: ChatMessage = {
      ...final.chunk.message,
      content: this.#text,
      ...(this.#thinking !== undefined && { thinking: this.#thinking }),
      ...(this.#toolCalls !== undefined && { tool_calls: this.#toolCalls }),
    }
    return { ...final.chunk, message, done: true, ...how, served: 'model' }
  }
}
