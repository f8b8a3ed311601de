import { SurefootError } from '@surefoot/protocol'
import type { Context, MiddlewareHandler } from 'hono'

import { clientGone } from './caller-signal.ts'

/** The longest body any surface takes. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

type Body = Uint8Array<ArrayBuffer>

/** Deeper bodies are refused before they are parsed: what walks them later does so recursively. */
const MAX_BODY_DEPTH = 64

/**
 * Reads the body of a request once, for every route: too long a one is refused with 413, by its Content-Length before
 * it is read and by counting while it is, and too deep a one with 400 before anything parses it.
 *
 * Routes get it from `c.req` (`json()`, `text()`, …), which keeps it. No new Request is made around it: that alone costs
 * a tenth of a call.
 */
export function readBody(maxBytes: number = MAX_BODY_BYTES): MiddlewareHandler {
  return async (c, next) => {
    const request = c.req.raw
    if (request.method === 'GET' || request.method === 'HEAD') return await next()
    if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
    const body = isFramed(c) ? await readFramed(request, maxBytes) : await readCounting(request, maxBytes)
    if (isDeeperThan(body, MAX_BODY_DEPTH)) throw tooDeep()
    // Its type says what is cached; what hono keeps there, and awaits, is the promise of it.
    c.req.bodyCache.arrayBuffer = Promise.resolve(body.buffer) as never
    return await next()
  }
}

/** True where Node's parser stands before us: it lets no more through than the Content-Length says. */
function isFramed({ env, req }: Context): boolean {
  const { incoming } = (env ?? {}) as { incoming?: unknown }
  return incoming !== undefined && req.header('content-length') !== undefined
}

async function readFramed(request: Request, maxBytes: number): Promise<Body> {
  const buffer = await request.arrayBuffer().catch((): Promise<never> => Promise.reject(clientGone()))
  const body = new Uint8Array(buffer)
  if (body.length > maxBytes) throw tooLarge(maxBytes)
  return body
}

/** Nothing but the count stands between a caller and the memory of this process. */
async function readCounting(request: Request, maxBytes: number): Promise<Body> {
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
  const body = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
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
