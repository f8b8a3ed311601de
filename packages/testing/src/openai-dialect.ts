import type { Dialect, GenerationStats } from './dialect.ts'
import { goJson } from './go-json.ts'
import type { OllamaVersion } from './options.ts'

/** What the dialect of `/v1/chat/completions` depends on. */
export interface OpenAiDialectOptions {
  readonly model: string
  readonly version: OllamaVersion
  /** Number after `chatcmpl-`; Ollama draws it from 0..998, so it is not unique. */
  readonly id: number
  readonly includeUsage: boolean
}

/** The dialect of `/v1/chat/completions`. */
export function createOpenAiDialect({ model, version, id, includeUsage }: OpenAiDialectOptions): Dialect {
  const head = (object: string, name: string): object => ({
    id: `chatcmpl-${id}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: name,
    system_fingerprint: 'fp_ollama',
  })
  const frame = (text: string): string => `data: ${text}\n\n`
  const event = (delta: object, finishReason: string | null, name = model): string =>
    frame(
      goJson({ ...head('chat.completion.chunk', name), choices: [{ index: 0, delta, finish_reason: finishReason }] }),
    )
  // 0.24.0 repeats the role in every chunk.
  const delta = (content: string, isFirst: boolean): object =>
    isFirst || version !== '0.32.15' ? { role: 'assistant', content } : { content }

  return {
    streamType: 'text/event-stream',
    bodyKind: 'plain',
    frame,
    token: (text, isFirst) => event(delta(text, isFirst), null),
    last(stats) {
      const lastDelta = version !== '0.32.15' ? delta('', false) : {}
      const usage = includeUsage
        ? frame(goJson({ ...head('chat.completion.chunk', model), choices: [], usage: usageOf(stats) }))
        : ''
      return event(lastDelta, stats.isDone ? stats.doneReason : null) + usage + frame('[DONE]')
    },
    // As recorded: the text is lost, and so is the name of the model.
    broken: () => event(delta('', false), null, ''),
    whole: (text, stats) => ({
      ...head('chat.completion', model),
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text },
          finish_reason: stats.isDone ? stats.doneReason : null,
        },
      ],
      usage: usageOf(stats),
    }),
    error: openAiError,
  }
}

/** The error envelope of `/v1`. */
export function openAiError(status: number, message: string): object {
  const type = status === 400 ? 'invalid_request_error' : status === 404 ? 'not_found_error' : 'api_error'
  return { error: { message, type, param: null, code: null } }
}

function usageOf({ numbers }: GenerationStats): object {
  const prompt = numbers?.promptTokens ?? 0
  const completion = numbers?.evalCount ?? 0
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}
