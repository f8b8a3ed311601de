import { DEFAULT_CTX } from './prompt-window.ts'

/** A request to a model, as the modelled Ollama reads it. */
export interface ModelRequest {
  readonly route: 'chat' | 'generate'
  readonly model: string
  /** `load` and `unload` have nothing to say; `render` shows the prompt; `wrong` is a mistake of the caller. */
  readonly kind: 'load' | 'unload' | 'render' | 'generate' | 'wrong'
  /** The last words of the user. */
  readonly question: string
  /** The half answer to go on from. */
  readonly half: string
  /** Most tokens to generate. */
  readonly limit: number
  readonly streamed: boolean
  readonly keepAliveMs: number | undefined
  /** Options for which a loaded model has to be loaded anew. */
  readonly loadOptions: string
  /** The context that is named, in tokens. */
  readonly numCtx: number | undefined
  /** A prompt that does not fit is to be refused, and not cut. */
  readonly refusesCut: boolean
  readonly messages: readonly Message[]
}

interface Message {
  readonly role: string
  readonly content: string
}

interface Body {
  readonly model?: string
  readonly messages?: readonly Message[]
  readonly prompt?: string
  readonly raw?: boolean
  readonly stream?: boolean
  readonly keep_alive?: number | string
  readonly truncate?: boolean
  readonly options?: Readonly<Record<string, unknown>>
  readonly _debug_render_only?: boolean
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

export function readModelRequest(route: 'chat' | 'generate', body: Buffer): ModelRequest {
  const read = JSON.parse(body.toString()) as Body
  const all = route === 'chat' ? (read.messages ?? []) : messagesOfPrompt(read)
  const last = all.at(-1)
  const hasHalf = last?.role === 'assistant' && all.length > 1
  const messages = hasHalf ? all.slice(0, -1) : all
  const options = read.options ?? {}
  const limit = Number(options['num_predict'] ?? 0)
  const numCtx = typeof options['num_ctx'] === 'number' ? options['num_ctx'] : undefined
  const empty = route === 'chat' ? all.length === 0 : (read.prompt ?? '') === ''
  const keepAliveMs = durationMs(read.keep_alive)
  return {
    route,
    model: read.model ?? '',
    kind: kindOf(empty, keepAliveMs, read, options),
    question: messages.findLast(({ role }) => role === 'user')?.content ?? '',
    half: hasHalf ? last.content : '',
    limit: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    streamed: read.stream !== false,
    keepAliveMs,
    // Whoever names the default asks for nothing else than whoever names none.
    loadOptions: JSON.stringify([
      numCtx === DEFAULT_CTX ? undefined : numCtx,
      options['num_gpu'],
      options['num_batch'],
      options['num_thread'],
    ]),
    numCtx,
    refusesCut: read.truncate === false,
    messages: all,
  }
}

function kindOf(
  empty: boolean,
  keepAliveMs: number | undefined,
  body: Body,
  options: Readonly<Record<string, unknown>>,
): ModelRequest['kind'] {
  if (empty) return keepAliveMs === 0 ? 'unload' : 'load'
  if (options['temperature'] !== undefined && typeof options['temperature'] !== 'number') return 'wrong'
  return body._debug_render_only === true ? 'render' : 'generate'
}

/** Go's durations and plain seconds; less than nothing is for ever. */
function durationMs(value: number | string | undefined): number | undefined {
  if (value === undefined) return undefined
  const [, count, unit] = /^(-?[\d.]+)(ms|s|m|h)?$/.exec(String(value)) ?? []
  const ms = Number(count) * (UNIT_MS[unit ?? 's'] as number)
  return ms < 0 ? Number.POSITIVE_INFINITY : ms
}

/** A raw prompt in ChatML is read back into its messages. */
function messagesOfPrompt(body: Body): Message[] {
  const prompt = body.prompt ?? ''
  const turns = [...prompt.matchAll(/<\|im_start\|>(\w+)\n([\s\S]*?)(?:<\|im_end\|>\n?|$)/g)]
  if (body.raw !== true || turns.length === 0) return [{ role: 'user', content: prompt }]
  return turns.map(([, role, content]) => ({ role: role as string, content: content as string }))
}

/** The prompt as the template of the model renders it. */
export function renderPrompt({ messages, half }: ModelRequest, opensNewTurn: boolean): string {
  const turns = half === '' ? messages : messages.slice(0, -1)
  const rendered = turns.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')
  const open = '<|im_start|>assistant\n'
  return rendered + open + half + (half !== '' && opensNewTurn ? `<|im_end|>\n${open}` : '')
}

/** A model has one name: without a tag it means `:latest`. */
export function canonicalName(name: string): string {
  return name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name
}
