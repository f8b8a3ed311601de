import { createHash, timingSafeEqual } from 'node:crypto'

import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

/**
 * Lets only callers with one of the keys through, before their body is read. Without keys everybody may call, which
 * `refuseOpenBinding` allows on loopback alone.
 */
export function requireKey(keys: readonly string[]): MiddlewareHandler {
  const hashes = keys.map(hashOf)
  return async (c, next) => {
    if (hashes.length > 0 && !isKnown(c.req.header('authorization'), hashes)) {
      throw new SurefootError({ code: 'UNAUTHORIZED', message: 'The key is missing or wrong.' })
    }
    return await next()
  }
}

function isKnown(header: string | undefined, hashes: readonly Buffer[]): boolean {
  const key = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
  if (key === undefined) return false
  const hash = hashOf(key)
  // Hashes have one length and every one is compared, so that the time tells neither length, prefix nor position.
  let known = false
  for (const candidate of hashes) known = timingSafeEqual(hash, candidate) || known
  return known
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
