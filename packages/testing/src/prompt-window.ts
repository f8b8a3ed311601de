import { type AnswerMessage, countPromptTokens } from './answers.ts'
import type { GenerationRequest } from './generation-request.ts'
import type { CompleteModel } from './models.ts'
import type { CompleteSettings, OllamaVersion } from './options.ts'
import type { Refusal } from './request-checks.ts'

/** Tokens at the beginning that are kept of a prompt that is cut in the middle (`num_keep`). */
const KEPT_TOKENS = 4

/** What is left of a prompt, or why it is refused. */
export type FittedPrompt =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | {
      readonly kind: 'fits'
      readonly messages: readonly AnswerMessage[]
      /** Tokens that a cut left; absent where nothing was cut. */
      readonly cutTo: number | undefined
    }

/** The context a request gets, in tokens: what it names, else the model, else the server; never more than the model takes. */
export function contextOf(request: GenerationRequest, model: CompleteModel, settings: CompleteSettings): number {
  const named = request.options['num_ctx']
  const wanted = typeof named === 'number' && named > 0 ? named : (model.numCtx ?? settings.contextLength)
  return Math.min(wanted, model.details.context_length)
}

/**
 * Makes a prompt fit into its context, as Ollama does without a word: it leaves out the oldest messages, and cuts the last
 * one if it is too long alone. With `truncate: false` it refuses instead, from 0.12.6 on.
 */
export function fitPrompt(request: GenerationRequest, model: CompleteModel, settings: CompleteSettings): FittedPrompt {
  const { version } = settings
  const context = contextOf(request, model, settings)
  const whole = countPromptTokens(request, model)
  // llama-server needs room for one token more.
  const fits = version === '0.32.15' ? whole < context : whole <= context
  if (fits) return { kind: 'fits', messages: request.messages, cutTo: undefined }
  if (request.body['truncate'] === false && version !== '0.12.5') {
    return { kind: 'refused', refusal: { status: 400, message: overflowText(version, whole, context) } }
  }
  let messages = request.route === 'generate' ? request.messages : [...request.messages]
  const tokens = (): number => countPromptTokens({ messages, prefill: request.prefill }, model)
  while (request.route !== 'generate' && tokens() > context) {
    const oldest = messages.slice(0, -1).findIndex(({ role }) => role !== 'system')
    if (oldest < 0) break
    messages = messages.toSpliced(oldest, 1)
  }
  const left = tokens()
  return { kind: 'fits', messages, cutTo: left <= context ? left : cutAlone(version, context) }
}

/** 0.32 makes room for half a context at once. */
function cutAlone(version: OllamaVersion, context: number): number {
  return version === '0.32.15' ? context - Math.max(Math.floor((context - KEPT_TOKENS) / 2), 1) : context
}

function overflowText(version: OllamaVersion, needed: number, context: number): string {
  if (version !== '0.32.15') return 'the input length exceeds the context length'
  const message = `request (${needed} tokens) exceeds the available context size (${context} tokens), try increasing it`
  const type = 'exceed_context_size_error'
  return JSON.stringify({ error: { code: 400, message, type, n_prompt_tokens: needed, n_ctx: context } })
}
