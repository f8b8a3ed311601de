import type { ModelRequest } from './model-request.ts'
import type { ModelOptions } from './ollama-options.ts'
import { isBefore } from './version.ts'

/** The context that a request gets which names none, in tokens. */
export const DEFAULT_CTX = 4_096
/** What a template takes for itself, and around each message. */
const WORDS_OF_TEMPLATE = 6
const WORDS_AROUND = 4
/** Of one message that is too long alone a newer version keeps half a context. */
const KEPT_TOKENS = 4
/** The first version whose chats know `truncate`; the first one that gives the numbers. */
const KNOWS_TRUNCATE = '0.12.6'
const TELLS_NUMBERS = '0.32.0'

/** What becomes of a prompt: its tokens as they are counted in the answer, or the error. */
export type Fit =
  | { readonly kind: 'fits' | 'cut'; readonly tokens: number }
  | { readonly kind: 'refused'; readonly tokens: number; readonly context: number; readonly text: string }

/** How the model with its window takes a prompt; `undefined` where windows are not modelled. */
export function fitPrompt(request: ModelRequest, model: ModelOptions | undefined, version: string): Fit | undefined {
  if (model?.context === undefined) return undefined
  const context = Math.min(request.numCtx ?? DEFAULT_CTX, model.context)
  const sizes = request.messages.map(({ content }) => WORDS_AROUND + tokensOf(content))
  const tokens = sizes.reduce((sum, size) => sum + size, WORDS_OF_TEMPLATE)
  const tellsNumbers = !isBefore(version, TELLS_NUMBERS)
  // The newer ones need room for one token more.
  if (tellsNumbers ? tokens < context : tokens <= context) return { kind: 'fits', tokens }
  if (request.refusesCut && !isBefore(version, KNOWS_TRUNCATE)) {
    return { kind: 'refused', tokens, context, text: refusal(tellsNumbers, tokens, context) }
  }
  let left = tokens
  for (const [index, size] of sizes.entries()) {
    if (left <= context || index === sizes.length - 1) break
    if (request.messages[index]?.role !== 'system') left -= size
  }
  if (left <= context) return { kind: 'cut', tokens: left }
  return { kind: 'cut', tokens: tellsNumbers ? context - Math.floor((context - KEPT_TOKENS) / 2) : context }
}

/** Words are tokens; so many characters make one in a text as the callers' are. */
function tokensOf(text: string): number {
  let tokens = 1
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) === 0x20) tokens++
  return tokens
}

function refusal(tellsNumbers: boolean, needed: number, context: number): string {
  if (!tellsNumbers) return JSON.stringify({ error: 'the input length exceeds the context length' })
  const message = `request (${needed} tokens) exceeds the available context size (${context} tokens), try increasing it`
  const error = { code: 400, message, type: 'exceed_context_size_error', n_prompt_tokens: needed, n_ctx: context }
  return JSON.stringify({ error: JSON.stringify({ error }) })
}
