import { z } from 'zod'

/** An http(s) URL of a backend without a trailing slash, query or fragment; `host:port` alone means http. */
export const backendUrlSchema: z.ZodType<string> = z
  .string()
  .transform((text) => (text.includes('://') ? text : `http://${text}`))
  .refine((text) => {
    if (!URL.canParse(text)) return false
    const url = new URL(text)
    return /^https?:$/.test(url.protocol) && url.hostname !== '' && url.search === '' && url.hash === ''
  })
  .transform((text) => new URL(text).href.replace(/\/+$/, ''))

/** The URL as it may be shown and logged: without user name and password. */
export function backendName(url: string): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  return shown.href.replace(/\/+$/, '')
}
