import type { ChatAnswer, ChatMessage, ToolCall } from '@surefoot/protocol'

import type { Delta, Final, How } from './service.ts'

/** What Surefoot says of an answer beside what the model said. */
type CameAbout = Pick<ChatAnswer, 'id' | 'attempts' | 'resumed'> & Partial<How> & { readonly backend: string }

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
  finish(final: Final, { backend, ...how }: CameAbout): ChatAnswer {
    const message: ChatMessage = {
      ...final.chunk.message,
      content: this.#text,
      ...(this.#thinking !== undefined && { thinking: this.#thinking }),
      ...(this.#toolCalls !== undefined && { tool_calls: this.#toolCalls }),
    }
    return {
      ...final.chunk,
      message,
      done: true,
      served: 'model',
      ...how,
      ...(backend !== '' && { backend }),
    }
  }
}
