import { SurefootError } from '@surefoot/protocol'
import type { HonoRequest } from 'hono'

/** The body as JSON, whatever its Content-Type says: Ollama ignores that header as well. */
export async function readJsonBody(request: Pick<HonoRequest, 'text'>): Promise<unknown> {
  const text = await request.text()
  if (text.trim() === '') throw new SurefootError({ code: 'INVALID_REQUEST', message: 'The request has no body.' })
  try {
    return JSON.parse(text) as unknown
  } catch {
    // The parser's own message quotes the body, and with it the prompt.
    throw new SurefootError({ code: 'INVALID_REQUEST', message: 'The body is not valid JSON.' })
  }
}
