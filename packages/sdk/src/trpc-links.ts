import type { AppRouter } from '@surefoot/server'
import { createTRPCClient, httpBatchStreamLink, httpLink, splitLink } from '@trpc/client'
import type { TRPCClient } from '@trpc/client'

import type { ClientFetch, ClientHeaders } from './options.ts'

/** What the links need to know. */
export interface TrpcLinkOptions {
  readonly url: string
  readonly headers: () => Promise<ClientHeaders>
  /** For answers that come with signs of life, or at once. */
  readonly fetch: ClientFetch
  /** For the one answer that may take minutes without a byte. */
  readonly patientFetch: ClientFetch
}

/**
 * The typed tRPC client of a server.
 *
 * A stream has a request of its own, because a batch can only be aborted as a whole; the short calls are not batched
 * either, because one slow answer would hold up the others. Chats are mutations and so never travel in a URL.
 */
export function createLinkedClient(options: TrpcLinkOptions): TRPCClient<AppRouter> {
  const { url, headers } = options
  const fetch = toTrpcFetch(options.fetch)
  const patientFetch = toTrpcFetch(options.patientFetch)
  return createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: (operation) => operation.path === 'chatStream',
        true: httpBatchStreamLink({ url, headers, fetch, maxItems: 1 }),
        false: splitLink({
          condition: (operation) => operation.path === 'chat',
          true: httpLink({ url, headers, fetch: patientFetch }),
          false: httpLink({ url, headers, fetch }),
        }),
      }),
    ],
  })
}

/** tRPC calls with a string and an init; its type also allows for the fetch of other platforms. */
function toTrpcFetch(fetch: ClientFetch): (target: RequestInfo | URL, init?: object) => Promise<Response> {
  return (target, init) => fetch(target as string, init as RequestInit)
}
