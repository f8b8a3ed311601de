import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

import { callerSignal, clientGone } from './caller-signal.ts'

/** The longest body any surface takes. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** Deeper bodies are refused before they are parsed: what walks them later does so recursively. */
export const MAX_BODY_DEPTH = 64

/**
 * Reads the body of a request once, for every route: too long a one is refused with 413, by its Content-Length before
 * it is read and by counting while it is, and too deep a one with 400 before anything parses it. The request that goes
 * on holds the body in memory, and its signal aborts with an `AbortError` as everywhere else.
 */
export function readBody(maxBytes: number = MAX_BODY_BYTES): MiddlewareHandler {
  return async (c, next) => {
    const request = c.req.raw
    if (request.method === 'GET' || request.method === 'HEAD') return await next()
    if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
    const body = await readBytes(request, maxBytes)
    if (isDeeperThan(body, MAX_BODY_DEPTH)) throw tooDeep()
    const { url, method, headers } = request
    c.req.raw = new Request(url, {
      method,
      headers,
      signal: callerSignal(request),
      ...(body.length > 0 && { body: body as Uint8Array<ArrayBuffer> }),
    })
    return await next()
  }
}

/** The bytes of a body; nothing but a count stands between a caller and the memory of this process. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = request.body?.getReader()
  for (;;) {
    // The only way to fail is that the rest of it never comes.
    const part = await reader?.read().catch(() => Promise.reject(clientGone()))
    if (part === undefined || part.done) break
    bytes += part.value.byteLength
    if (bytes > maxBytes) {
      // The rest is not read: the connection ends with the answer.
      await reader?.cancel().catch(() => {})
      throw tooLarge(maxBytes)
    }
    chunks.push(part.value)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

/** Counts open brackets outside strings; linear, and it stops at the first one too many. */
export function isDeeperThan(json: Uint8Array, limit: number): boolean {
  let depth = 0
  let inString = false
  // Bytes and not characters: what it looks for is never a part of another character in UTF-8.
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (inString) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true
    } else if (byte === 0x5d || byte === 0x7d) depth--
  }
  return false
}

function tooLarge(maxBytes: number): SurefootError {
  const limit = maxBytes >= 1024 * 1024 ? `${maxBytes / (1024 * 1024)} MiB` : `${maxBytes} bytes`
  return new SurefootError({
    code: 'PAYLOAD_TOO_LARGE',
    message: `The body of the request is over the limit of ${limit}.`,
  })
}

function tooDeep(): SurefootError {
  return new SurefootError({
    code: 'INVALID_REQUEST',
    message: `The body is nested deeper than ${MAX_BODY_DEPTH} levels.`,
  })
}
