import type { ChatRequest } from '@surefoot/protocol'

import type { WholeAnswer } from './post-whole.ts'

/** A request that Ollama only renders: nothing is generated (`_debug_render_only`, since 0.11.5). */
export function renderRequest(request: ChatRequest): ChatRequest {
  return { ...request, stream: false, _debug_render_only: true }
}

/** The prompt as the model's template renders it; `undefined` when the answer is no rendering. */
export function renderedPrompt({ status, body }: WholeAnswer): string | undefined {
  if (status !== 200) return undefined
  try {
    const { _debug_info } = JSON.parse(body) as { _debug_info?: { rendered_template?: unknown } }
    const prompt = _debug_info?.rendered_template
    return typeof prompt === 'string' ? prompt : undefined
  } catch {
    return undefined
  }
}
