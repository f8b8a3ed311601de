import type { Dialect, GenerationStats } from './dialect.ts'
import { goJson } from './go-json.ts'
import { goTimestamp, preciseNowMs } from './go-time.ts'

/** The dialect of `/api/chat` and `/api/generate`, which differ in where the text stands. */
export function createNativeDialect(route: 'chat' | 'generate', model: string): Dialect {
  const line = (content: string): Record<string, unknown> => ({
    model,
    created_at: goTimestamp(preciseNowMs()),
    ...(route === 'chat' ? { message: { role: 'assistant', content } } : { response: content }),
  })
  const frame = (text: string): string => `${text}\n`
  const whole = (text: string, stats: GenerationStats): object => ({ ...line(text), ...nativeStats(stats) })

  return {
    streamType: 'application/x-ndjson',
    bodyKind: 'charset',
    frame,
    token: (text) => frame(goJson({ ...line(text), done: false })),
    last: (stats) => frame(goJson(whole('', stats))),
    broken: (text) => frame(goJson({ error: text })),
    whole,
    error: (_status, message) => ({ error: message }),
  }
}

function nativeStats({ isDone, doneReason, numbers }: GenerationStats): object {
  return {
    done: isDone,
    ...(isDone ? { done_reason: doneReason } : {}),
    ...(numbers === undefined
      ? {}
      : {
          ...(numbers.context === undefined ? {} : { context: numbers.context }),
          total_duration: numbers.totalNs,
          load_duration: numbers.loadNs,
          prompt_eval_count: numbers.promptTokens,
          prompt_eval_duration: numbers.promptNs,
          eval_count: numbers.evalCount,
          eval_duration: numbers.evalNs,
        }),
  }
}
