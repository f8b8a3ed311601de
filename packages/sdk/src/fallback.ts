import type { ChatAnswer, ChatInput, SurefootError } from '@surefoot/protocol'

/** What a chat answers when nothing can: a text, a function that makes one, or `false` for the error itself. */
export type Fallback = string | false | ((error: SurefootError, input: ChatInput) => string | Promise<string>)

/** The guide's sentence for a chat that nothing can answer. */
export const DEFAULT_FALLBACK = "I'm having trouble connecting. Please try again."

/** What is known of the call that failed. */
export interface FailedCall {
  readonly id: string
  readonly input: ChatInput
  readonly model: string | undefined
  readonly nowIso: string
}

/** True when the caller can do nothing about the error, so that a reply in the answer's place helps. */
export function hasFallback(error: SurefootError, fallback: Fallback): fallback is Exclude<Fallback, false> {
  return fallback !== false && error.group !== 'fix'
}

/** The text of the fallback. Throws what its function throws. */
export async function fallbackText(
  fallback: Exclude<Fallback, false>,
  error: SurefootError,
  input: ChatInput,
): Promise<string> {
  return typeof fallback === 'function' ? await fallback(error, input) : fallback
}

/** The reply in the answer's place; it says of itself that it is one, and why. */
export function fallbackAnswer(text: string, error: SurefootError, call: FailedCall): ChatAnswer {
  return {
    model: call.model ?? '',
    created_at: call.nowIso,
    message: { role: 'assistant', content: text },
    done: true,
    id: call.id,
    served: 'fallback',
    reason: error.code,
    attempts: error.attempts ?? 0,
    resumed: 0,
    ...(error.backend !== undefined && { backend: error.backend }),
  }
}
