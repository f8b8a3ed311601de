import { z } from 'zod'

/** Before the scheme it says: not one backend, but every address that the host name has. */
const DISCOVERED = 'dns+'

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

/**
 * What may stand in the list of backends: the URL of one, or `dns+http://host:port` for all addresses of a host name, as
 * of a headless service. Not with https: a certificate is for a name, and these are addresses.
 */
export const backendTargetSchema: z.ZodType<string> = z.string().transform((text, context) => {
  const isDiscovered = text.startsWith(DISCOVERED)
  const parsed = backendUrlSchema.safeParse(isDiscovered ? text.slice(DISCOVERED.length) : text)
  if (parsed.success && !(isDiscovered && parsed.data.startsWith('https:'))) {
    return isDiscovered ? DISCOVERED + parsed.data : parsed.data
  }
  context.addIssue({ code: 'custom', message: 'no address' })
  return z.NEVER
})

/** The URL whose host name stands for several backends; `undefined` for that of one. */
export function discoveredUrl(target: string): string | undefined {
  return target.startsWith(DISCOVERED) ? target.slice(DISCOVERED.length) : undefined
}

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
