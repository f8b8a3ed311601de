import { createHash, timingSafeEqual } from 'node:crypto'

import { SurefootError } from '@surefoot/protocol'
import type { MiddlewareHandler } from 'hono'

/** Says whose key the header `Authorization` holds. */
export interface KeyCheck {
  /** Whether a key is asked for at all. */
  readonly isNeeded: boolean
  /**
   * A name of the key that tells nothing of it, the same in every process: whose call it is. `undefined` for a header
   * without a known key.
   */
  tenantOf(header: string | undefined): string | undefined
}

/**
 * Knows the keys by their hashes.
 *
 * @throws SurefootError `INVALID_CONFIG` for a key that no header could carry.
 */
export function createKeyCheck(keys: readonly string[]): KeyCheck {
  for (const key of keys) {
    if (/^[\x21-\x7e]+$/.test(key)) continue
    throw new SurefootError({
      code: 'INVALID_CONFIG',
      message:
        key.trim() === ''
          ? 'A key is empty: give it at least one character.'
          : 'A key holds white space or characters beyond ASCII, with which no caller could send it.',
      hint: 'Several keys are separated by commas in SUREFOOT_KEY, or given with one --key each.',
    })
  }
  const known = keys.map((key) => {
    const hash = hashOf(key)
    return { hash, tenant: `key-${hash.toString('hex').slice(0, 12)}` }
  })
  return {
    isNeeded: keys.length > 0,
    tenantOf(header) {
      const key = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
      if (key === undefined) return undefined
      const hash = hashOf(key)
      // Hashes have one length and every one is compared, so that the time tells neither length, prefix nor position.
      let tenant: string | undefined
      for (const candidate of known) tenant = timingSafeEqual(hash, candidate.hash) ? candidate.tenant : tenant
      return tenant
    },
  }
}

/**
 * Lets only callers with one of the keys through, before their body is read. Without keys everybody may call, which
 * `refuseOpenBinding` allows on loopback alone.
 */
export function requireKey(check: KeyCheck): MiddlewareHandler {
  return async (c, next) => {
    if (check.isNeeded && check.tenantOf(c.req.header('authorization')) === undefined) {
      throw new SurefootError({ code: 'UNAUTHORIZED', message: 'The key is missing or wrong.' })
    }
    return await next()
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
