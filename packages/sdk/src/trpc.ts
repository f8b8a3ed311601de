import type { SurefootError } from '@surefoot/protocol'
import type { AppRouter } from '@surefoot/server'
import type { TRPCClient } from '@trpc/client'

import { createConnection } from './connection.ts'
import { errorToFault } from './fault.ts'
import type { ConnectionOptions } from './options.ts'
import { systemRuntime } from './runtime/system.ts'

export type { AppRouter } from '@surefoot/server'
export type { ClientFetch, ClientHeaders, ConnectionOptions } from './options.ts'

/**
 * The tRPC client of a Surefoot server, typed by its router, with the links that suit each procedure. It repeats
 * nothing, has no fallback, and throws tRPC's `TRPCClientError`: {@link trpcErrorToSurefootError} reads it.
 *
 * @throws SurefootError `INVALID_CONFIG` for a url or a time that cannot work.
 *
 * @example
 * const trpc = createTrpcClient({ url: 'http://127.0.0.1:8000' })
 * const answer = await trpc.chat.mutate({ message: 'What is water?' })
 * console.log(answer.message.content)
 */
export function createTrpcClient(options: ConnectionOptions): TRPCClient<AppRouter> {
  return createConnection(options, systemRuntime).open()
}

/** The typed error in whatever a call of {@link createTrpcClient} threw. */
export function trpcErrorToSurefootError(error: unknown): SurefootError {
  return errorToFault(error, 'the url of the tRPC client').error
}
