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
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  },
  fetch: (url, init) => globalThis.fetch(url, init),
}
