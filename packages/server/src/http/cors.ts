import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

/** What a page elsewhere may read of an answer besides its body. */
const EXPOSED = [
  'x-surefoot-run-id',
  'x-surefoot-attempts',
  'x-surefoot-served',
  'x-surefoot-reason',
  'x-surefoot-variant',
  'x-surefoot-backend',
  'x-surefoot-code',
  'x-surefoot-needed-tokens',
  'x-surefoot-available-tokens',
  'retry-after',
].join(', ')

const SAFE_METHODS = new Set(['GET', 'HEAD'])

/**
 * Browsers elsewhere: only the listed origins, exactly. Any other origin gets no CORS header, and what could change or
 * cost something is refused, because a browser sends a simple POST without asking first.
 *
 * @throws SurefootError `INVALID_CONFIG` for an entry that is not an origin.
 */
export function cors(origins: readonly string[]): MiddlewareHandler {
  const allowed = new Set(origins.map(checkOrigin))
  return async (c, next) => {
    const origin = c.req.header('origin')
    const method = c.req.method
    if (origin === undefined || isSameOrigin(origin, c.req.header('host'))) {
      await next()
      c.res.headers.append('vary', 'Origin')
      return
    }
    if (!allowed.has(origin)) {
      if (!SAFE_METHODS.has(method)) {
        throw new SurefootError({
          code: 'FORBIDDEN',
          message: 'Pages of this origin may not call this server.',
          hint: 'Allow the origin with --cors-origin.',
        })
      }
      await next()
      c.res.headers.append('vary', 'Origin')
      return
    }
    if (method === 'OPTIONS') return preflight(origin, c.req.raw.headers)
    await next()
    c.res.headers.set('access-control-allow-origin', origin)
    c.res.headers.set('access-control-expose-headers', EXPOSED)
    c.res.headers.append('vary', 'Origin')
    return
  }
}

function preflight(origin: string, asked: Headers): Response {
  const headers = new Headers({
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-max-age': '600',
    vary: 'Origin, Access-Control-Request-Headers',
  })
  // The origin is trusted by name, so its headers are taken as asked; clients add their own (x-stainless-*, trpc-accept).
  const names = asked.get('access-control-request-headers')
  if (names !== null) headers.set('access-control-allow-headers', names)
  if (asked.get('access-control-request-private-network') === 'true') {
    headers.set('access-control-allow-private-network', 'true')
  }
  return new Response(null, { status: 204, headers })
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin)) return false
  // The scheme is left out: behind a proxy that ends TLS it differs although the origin is the same.
  return new URL(origin).host === host?.toLowerCase()
}

function checkOrigin(value: string): string {
  if (URL.canParse(value) && new URL(value).origin === value) return value
  throw new SurefootError({
    code: 'INVALID_CONFIG',
    message: `'${value}' is not an origin.`,
    hint: 'Give scheme, host and port and nothing else, as in https://app.example or http://localhost:5173.',
  })
}
