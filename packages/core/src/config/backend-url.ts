import { z } from 'zod'

/** An http(s) URL of a backend without a trailing slash, query or fragment; `host:port` alone means http. */
export const backendUrlSchema: z.ZodType<string> = z
  .string()
  .transform((text) => (text.includes('://') ? text : `http://${text}`))
  .refine((text) => {
    if (!URL.canParse(text)) return false
    const url = new URL(text)
    // A comma would be a list of addresses where one is meant.
    const isHost = url.hostname !== '' && !url.hostname.includes(',')
    const isAddress = /^https?:$/.test(url.protocol) && isHost && url.search === '' && url.hash === ''
    return isAddress && isPercentEncoded(url.username) && isPercentEncoded(url.password)
  })
  .transform((text) => new URL(text).href.replace(/\/+$/, ''))

/** Without this a lone percent sign in a password would only show when the first call is made. */
function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The URL as it may be shown and logged: without user name and password. */
export function backendName(url: string): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  return shown.href.replace(/\/+$/, '')
}
