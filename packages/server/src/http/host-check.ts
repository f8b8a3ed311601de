import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

import { isLoopback } from './loopback.ts'

/**
 * Refuses requests that name a foreign host while the server is bound to loopback. A page elsewhere can let its own
 * name point to 127.0.0.1 (DNS rebinding) and would then be of the same origin; only the Host header gives it away.
 */
export function requireLoopbackHost(): MiddlewareHandler {
  return async (c, next) => {
    const hostname = hostnameOf(c.req.header('host') ?? '')
    if (!isLoopback(hostname) && !hostname.endsWith('.localhost')) {
      throw new SurefootError({
        code: 'FORBIDDEN',
        message: 'This server listens on loopback and answers only requests for localhost.',
        hint: 'Call it as localhost or 127.0.0.1; a proxy in front of it must send that as the Host header.',
      })
    }
    return await next()
  }
}

function hostnameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
