import { SurefootError } from '@surefoot/protocol'

import { clientGone } from './caller-signal.ts'

/** Deeper bodies are refused before they are parsed: what walks them later does so recursively. */
const MAX_DEPTH = 64

/** Reads a body that the body limit has let through, and checks how deep it nests. */
export async function readBodyText(request: Request): Promise<string> {
  // The only way to fail is that the rest of it never comes.
  const text = await request.text().catch(() => Promise.reject(clientGone()))
  if (isDeeperThan(text, MAX_DEPTH)) {
    throw new SurefootError({
      code: 'INVALID_REQUEST',
      message: `The body is nested deeper than ${MAX_DEPTH} levels.`,
    })
  }
  return text
}

/** The body as JSON, whatever its Content-Type says: Ollama ignores that header as well. */
export async function readJsonBody(request: Request): Promise<unknown> {
  const text = await readBodyText(request)
  if (text.trim() === '') throw new SurefootError({ code: 'INVALID_REQUEST', message: 'The request has no body.' })
  try {
    return JSON.parse(text) as unknown
  } catch {
    // The parser's own message quotes the body, and with it the prompt.
    throw new SurefootError({ code: 'INVALID_REQUEST', message: 'The body is not valid JSON.' })
  }
}

/** Counts open brackets outside strings; linear, and it stops at the first one too many. */
export function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (inString) {
      if (char === 0x5c) at++
      else if (char === 0x22) inString = false
    } else if (char === 0x22) inString = true
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > limit) return true
    } else if (char === 0x5d || char === 0x7d) depth--
  }
  return false
}
