import { SurefootError } from '@surefoot/protocol'

import type { SdkRuntime } from './runtime.ts'

/** The longest delay timers take; above it they fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The real surroundings; the only place in the SDK that touches them. */
export const systemRuntime: SdkRuntime = {
  nowIso: () => new Date().toISOString(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, Math.min(delayMs, LONGEST_DELAY_MS))
    return () => clearTimeout(timer)
  },
  newId() {
    // Not crypto.randomUUID(): browsers have it on secure pages only, and a page in a school network is often plain http.
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  },
  async fetch(url, init) {
    if (url.startsWith('/') && typeof location === 'undefined') throw noPageError(url)
    return await globalThis.fetch(url, init)
  },
}

function noPageError(url: string): SurefootError {
  return new SurefootError({
    code: 'INVALID_CONFIG',
    message: `There is no page here whose address ${url} could be a path of.`,
    hint: 'Outside a browser give createClient the whole url, as in http://127.0.0.1:8000.',
  })
}
