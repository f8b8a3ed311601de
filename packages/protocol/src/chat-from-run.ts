import { answerToChunk } from './chat.ts'
import type { ChatAnswer, ChatChunk, ChatInput, ChatRequest } from './chat.ts'
import type { DeltaEvent } from './events.ts'
import type { CallOptions, ChatStream, Run, Surefoot } from './surefoot.ts'

/**
 * `chat()` in terms of `run()`: one answer, or Ollama's lines one by one when the body says `stream: true`.
 * Core and SDK share it.
 */
export function createChat(run: (input: ChatInput, options?: CallOptions) => Run): Surefoot['chat'] {
  function chat(input: ChatRequest & { readonly stream: true }, options?: CallOptions): Promise<ChatStream>
  function chat(input: ChatInput, options?: CallOptions): Promise<ChatAnswer>
  async function chat(input: ChatInput, options: CallOptions = {}): Promise<ChatAnswer | ChatStream> {
    // Wrong input and options reach `run` as they are, null included: it alone judges, with one sentence for every surface.
    const isWrong = typeof options !== 'object' || options === null
    if (typeof input === 'object' && input !== null && input.stream === true) {
      return openStream(run(input, options), (isWrong ? undefined : options.model) ?? input.model ?? '')
    }
    return await run(input, isWrong ? options : { ...options, buffered: options.buffered ?? true }).answer
  }
  return chat
}

/** Resolves with the first token in hand, so that whatever fails before it rejects here, as with a plain request. */
async function openStream(run: Run, model: string): Promise<ChatStream> {
  const chunks = chunksOf(run, model)
  let first: IteratorResult<ChatChunk, void> | undefined = await chunks.next()
  let taken = false
  return {
    abort: () => run.stop(),
    [Symbol.asyncIterator]() {
      if (taken) throw new TypeError('The lines of an answer can be read only once')
      taken = true
      return {
        next() {
          if (first === undefined) return chunks.next()
          const result = first
          first = undefined
          return Promise.resolve(result)
        },
        // Through the run, not through the generator, whose return() would wait for the token it is waiting for.
        async return() {
          run.stop()
          return { done: true, value: undefined }
        },
      }
    },
  }
}

async function* chunksOf(run: Run, asked: string): AsyncGenerator<ChatChunk, void> {
  let model = asked
  let shown = false
  for await (const event of run) {
    if (event.type === 'delta') {
      // Core hands on the line as Ollama sent it; over a wire only its parts arrive.
      const line = (event as { chunk?: ChatChunk }).chunk ?? lineOf(event, model)
      model = line.model
      shown = true
      yield line
    } else if (event.type === 'finish') {
      const line = answerToChunk(event.answer)
      // A buffered run has no deltas: then the whole message is the first and only line before the last.
      if (!shown) yield { model: line.model, created_at: line.created_at, message: line.message, done: false }
      yield { ...line, message: { role: line.message.role, content: '' } }
    }
  }
}

function lineOf(delta: DeltaEvent, model: string): ChatChunk {
  return {
    model,
    created_at: new Date().toISOString(),
    message: {
      role: 'assistant',
      content: delta.text,
      ...(delta.thinking !== undefined && { thinking: delta.thinking }),
      ...(delta.toolCalls !== undefined && { tool_calls: delta.toolCalls }),
    },
    done: false,
  }
}
