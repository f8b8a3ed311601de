import { createClient, DEFAULT_FALLBACK, type Surefoot, type SurefootError } from '@surefoot/sdk'

/** The SDK's client, and what it fell back from: the page shows the sentence and the hint beside the fallback reply. */
export interface PageClient {
  readonly surefoot: Surefoot
  /** Why the last fallback reply took the place of an answer. The page asks one question at a time. */
  readonly lastFault: () => SurefootError | undefined
  /** Who asks, as long as this tab is open: an experiment shows one visitor one variant. */
  readonly visitor: string
}

/** Connects the page to its server. */
export function createPageClient(url: string): PageClient {
  let fault: SurefootError | undefined
  const surefoot = createClient({
    url,
    fallback(error) {
      fault = error
      return DEFAULT_FALLBACK
    },
  })
  return { surefoot, lastFault: () => fault, visitor: keptVisitor() }
}

const KEY = 'babysteps-visitor'

/** Nothing about a person: a random id. Where a browser keeps nothing for this page it lasts as long as the page. */
function keptVisitor(): string {
  const fresh = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  try {
    const kept = sessionStorage.getItem(KEY)
    if (kept !== null && kept !== '') return kept
    sessionStorage.setItem(KEY, fresh)
  } catch {
    // Nothing to do.
  }
  return fresh
}
