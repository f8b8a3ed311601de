import type { ChatAnswer, ChatChunk, ChatInput, ChatRequest } from './chat.ts'
import type { CallOptions, ChatStream, Run, Surefoot } from './surefoot.ts'

/**
 * `chat()` in terms of `run()`: one answer, or Ollama's lines one by one when the body says `stream: true`.
 * Core and SDK share it.
 */
export function createChat(run: (input: ChatInput, options?: CallOptions) => Run): Surefoot['chat'] {
  function chat(input: ChatRequest & { readonly stream: true }, options?: CallOptions): Promise<ChatStream>
  function chat(input: ChatInput, options?: CallOptions): Promise<ChatAnswer>
  async function chat(input: ChatInput, options: CallOptions = {}): Promise<ChatAnswer | ChatStream> {
    if (typeof input !== 'string' && input.stream === true) return openStream(run(input, options))
    return await run(input, { buffered: true, ...options }).answer
  }
  return chat
}

/** Resolves with the first token in hand, so that whatever fails before it rejects here, as with a plain request. */
async function openStream(run: Run): Promise<ChatStream> {
  const chunks = chunksOf(run)
  const first = await chunks.next()
  return {
    abort: () => run.stop(),
    async *[Symbol.asyncIterator]() {
      try {
        if (first.done === true) return
        yield first.value
        yield* chunks
      } finally {
        run.stop()
      }
    },
  }
}

async function* chunksOf(run: Run): AsyncGenerator<ChatChunk, void> {
  let model = ''
  for await (const event of run) {
    if (event.type === 'delta') {
      // Core hands on the line as Ollama sent it; over a wire only its parts arrive.
      const line = (event as { chunk?: ChatChunk }).chunk
      if (line !== undefined) model = line.model
      yield (
        line ?? {
          model,
          created_at: new Date().toISOString(),
          message: {
            role: 'assistant',
            content: event.text,
            ...(event.thinking !== undefined && { thinking: event.thinking }),
            ...(event.toolCalls !== undefined && { tool_calls: event.toolCalls }),
          },
          done: false,
        }
      )
    } else if (event.type === 'finish') {
      const { id: _id, served: _served, attempts: _attempts, resumed: _resumed, backend: _backend, reason: _reason, ...line } =
        event.answer
      yield { ...line, message: { role: line.message.role, content: '' } }
    }
  }
}
