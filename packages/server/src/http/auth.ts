import { createHash, timingSafeEqual } from 'node:crypto'

import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

/**
 * Lets only callers with one of the keys through, before their body is read. Without keys everybody may call, which
 * {@link refuseOpenBinding} allows on loopback alone.
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

/** @throws SurefootError `INVALID_CONFIG` when the server would be open to the network without a key. */
export function refuseOpenBinding(host: string, keys: readonly string[]): void {
  if (keys.some((key) => key.trim() === '')) {
    throw new SurefootError({ code: 'INVALID_CONFIG', message: 'A key is empty: give it at least one character.' })
  }
  if (isLoopback(host) || keys.length > 0) return
  throw new SurefootError({
    code: 'INVALID_CONFIG',
    message: `Refusing to listen on ${host} without a key, because anyone on the network could use it.`,
    hint: 'Set a key with --key or SUREFOOT_KEY, or listen on 127.0.0.1.',
  })
}

/** Whether a host to bind to is reachable from this machine alone. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
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
