import { createClient, DEFAULT_FALLBACK, type Surefoot, type SurefootError } from '@surefoot/sdk'

/** The SDK's client, and what it fell back from: the page shows the sentence and the hint beside the fallback reply. */
export interface PageClient {
  readonly surefoot: Surefoot
  /** Why the last fallback reply took the place of an answer. The page asks one question at a time. */
  readonly lastFault: () => SurefootError | undefined
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
  return { surefoot, lastFault: () => fault }
}
