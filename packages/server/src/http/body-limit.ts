import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

import { clientGone } from './caller-signal.ts'

/** The longest body any surface takes. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/**
 * Refuses a body over the limit with 413 before anything parses it: by its Content-Length where it has one (Node lets
 * no longer one through), else by counting while it is read.
 */
export function bodyLimit(maxBytes: number = MAX_BODY_BYTES): MiddlewareHandler {
  return async (c, next) => {
    const request = c.req.raw
    if (request.method === 'GET' || request.method === 'HEAD') return await next()
    const announced = request.headers.get('content-length')
    if (announced !== null) {
      if (Number(announced) > maxBytes) throw tooLarge(maxBytes)
    } else if (request.headers.has('transfer-encoding') || request.body !== null) {
      c.req.raw = await withinLimit(request, maxBytes)
    }
    return await next()
  }
}

async function withinLimit(request: Request, maxBytes: number): Promise<Request> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = request.body?.getReader()
  for (;;) {
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
  return new Request(request.url, {
    method: request.method,
    headers: request.headers,
    signal: request.signal,
    body: Buffer.concat(chunks),
  })
}

function tooLarge(maxBytes: number): SurefootError {
  const limit = maxBytes >= 1024 * 1024 ? `${maxBytes / (1024 * 1024)} MiB` : `${maxBytes} bytes`
  return new SurefootError({
    code: 'PAYLOAD_TOO_LARGE',
    message: `The body of the request is over the limit of ${limit}.`,
  })
}
