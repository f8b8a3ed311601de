import { ERROR_CODES, sentenceFromIssues, SurefootError } from '@surefoot/protocol'
import { $ZodError } from 'zod/v4/core'

/** Nobody is there to read the answer any more; the status nginx and Ollama log for it. */
export const CLIENT_GONE_STATUS = 499

/** Turns anything thrown into the one error class. What is not known is `INTERNAL`, and its text stays inside. */
export function errorToSurefootError(error: unknown): SurefootError {
  if (SurefootError.is(error)) return error
  if (error instanceof $ZodError) {
    return new SurefootError({ code: 'INVALID_REQUEST', message: sentenceFromIssues(error) }, { cause: error })
  }
  return new SurefootError({ code: 'INTERNAL', message: 'Surefoot failed in an unexpected way.' }, { cause: error })
}

/** Whether it is the caller's own abort, which is neither a fault nor answered. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/**
 * What failed, and for failures that are not the caller's also what to do; for surfaces that have only one text. What to do
 * about a prompt that is too long is in numbers that only we know.
 */
export function errorToText(error: SurefootError): string {
  if (error.group === 'fix' && error.code !== 'CONTEXT_OVERFLOW') return error.message
  return `${error.message.replace(/[.!]$/, '')}. ${error.hint}`
}

/** The headers that accompany an error on every surface. */
export function errorToHeaders(error: SurefootError): Record<string, string> {
  return {
    'x-surefoot-code': error.code,
    ...(error.attempts !== undefined && { 'x-surefoot-attempts': String(error.attempts) }),
    ...(error.neededTokens !== undefined && { 'x-surefoot-needed-tokens': String(error.neededTokens) }),
    ...(error.availableTokens !== undefined && { 'x-surefoot-available-tokens': String(error.availableTokens) }),
    // Seconds, and never 0: a client that takes it at its word would spin.
    ...(error.retryAfterMs !== undefined && {
      'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))),
    }),
    // OpenAI's and Anthropic's clients obey it; without it their attempts multiply with ours.
    ...(error.group !== 'wait' && { 'x-should-retry': 'false' }),
  }
}

/** The error in Ollama's shape, `{"error":"…"}`. */
export function errorToOllamaResponse(error: unknown, status?: number): Response {
  if (isAbort(error)) return new Response(null, { status: CLIENT_GONE_STATUS })
  const known = errorToSurefootError(error)
  return new Response(JSON.stringify({ error: errorToText(known) }), {
    status: status ?? ERROR_CODES[known.code].httpStatus,
    headers: { 'content-type': 'application/json; charset=utf-8', ...errorToHeaders(known) },
  })
}
