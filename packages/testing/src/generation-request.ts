import type { AnswerMessage } from './answers.ts'
import { parseGoDuration } from './go-time.ts'
import type { GenerationRoute } from './request-schema.ts'

type Body = Readonly<Record<string, unknown>>

/** A request to generate, the same for every route. */
export interface GenerationRequest {
  readonly route: GenerationRoute
  readonly model: string
  /** Without a half assistant message at the end. */
  readonly messages: readonly AnswerMessage[]
  readonly prompt: string
  readonly prefill: string
  readonly isStream: boolean
  /** Nothing to say: only loads the model, or unloads it with keep_alive 0. */
  readonly isEmpty: boolean
  readonly isRaw: boolean
  readonly isRenderOnly: boolean
  readonly hasImages: boolean
  readonly hasTools: boolean
  readonly wantsThinking: boolean
  /** Most tokens to generate. */
  readonly limit: number
  readonly keepAliveMs: number | undefined
  readonly options: Body
  readonly format: unknown
  readonly includeUsage: boolean
  readonly body: Body
}

/** Reads a body whose shape is right. */
export function readGenerationRequest(route: GenerationRoute, body: Body): GenerationRequest {
  const all = route === 'generate' ? messagesOfPrompt(body) : messagesOf(body['messages'])
  const last = all.at(-1)
  const isPrefilled = last?.role === 'assistant' && last.content !== '' && all.length > 1
  const messages = isPrefilled ? all.slice(0, -1) : all
  const options = route === 'v1' ? {} : ((body['options'] ?? {}) as Body)
  const limit = Number((route === 'v1' ? body['max_tokens'] : options['num_predict']) ?? 0)
  const think = body['think']
  return {
    route,
    model: (body['model'] ?? '') as string,
    messages,
    prompt: messages.findLast((message) => message.role === 'user')?.content ?? last?.content ?? '',
    prefill: isPrefilled ? last.content : '',
    isStream: route === 'v1' ? body['stream'] === true : body['stream'] !== false,
    isEmpty: route === 'generate' ? (body['prompt'] ?? '') === '' : all.length === 0,
    isRaw: body['raw'] === true,
    isRenderOnly: body['_debug_render_only'] === true,
    hasImages: hasImages(body),
    hasTools: Array.isArray(body['tools']) && body['tools'].length > 0,
    wantsThinking: think === true || (typeof think === 'string' && think !== ''),
    // 0 and less mean no limit (ollama 0.32.15).
    limit: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    keepAliveMs: readKeepAlive(body['keep_alive']),
    options,
    format: route === 'v1' ? undefined : body['format'],
    includeUsage: (body['stream_options'] as Body | undefined)?.['include_usage'] === true,
    body,
  }
}

function messagesOf(value: unknown): AnswerMessage[] {
  return ((value ?? []) as readonly Body[]).map((message) => ({
    role: String(message['role'] ?? ''),
    content: textOf(message['content']),
  }))
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return String(content ?? '')
  return content.map((part: Body) => (part['type'] === 'text' ? String(part['text'] ?? '') : '')).join('')
}

/** A raw prompt in ChatML is read back into messages, so that it is answered as the chat would be. */
function messagesOfPrompt(body: Body): AnswerMessage[] {
  const prompt = String(body['prompt'] ?? '')
  const turns = [...prompt.matchAll(/<\|im_start\|>(\w+)\n([\s\S]*?)(?:<\|im_end\|>\n?|$)/g)]
  if (body['raw'] !== true || turns.length === 0) return [{ role: 'user', content: prompt }]
  return turns.map(([, role, content]) => ({ role: role as string, content: content as string }))
}

function hasImages(body: Body): boolean {
  const messages = (body['messages'] ?? []) as readonly Body[]
  return [body, ...messages].some((holder) => Array.isArray(holder['images']) && holder['images'].length > 0)
}

function readKeepAlive(value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value * 1000 : typeof value === 'string' ? parseGoDuration(value) : undefined
  return ms !== undefined && ms < 0 ? Number.POSITIVE_INFINITY : ms
}
