import type { AppRouter } from '@surefoot/server'
import { SurefootError } from '@surefoot/protocol'
import type { TRPCClient } from '@trpc/client'

import { guardFetch } from './guarded-fetch.ts'
import type { Wire } from './guarded-fetch.ts'
import { DEFAULT_SILENCE_MS, trpcUrl } from './options.ts'
import type { ClientHeaders, ConnectionOptions } from './options.ts'
import type { SdkRuntime } from './runtime/runtime.ts'
import { checkServerUrl } from './server-url.ts'
import { createLinkedClient } from './trpc-links.ts'
import { untilAborted } from './until-aborted.ts'

/** Everything that the calls of one client share. */
export interface Connection {
  /** The server as it may be shown to a person. */
  readonly endpoint: string
  /** The tRPC client; its requests end with `signal`, or with the signal of each tRPC call where that is left out. */
  open(signal?: AbortSignal): TRPCClient<AppRouter>
}

/**
 * Prepares the way to a server; nothing is sent yet.
 *
 * @throws SurefootError `INVALID_CONFIG` for a url or a time that cannot work.
 */
export function createConnection(options: ConnectionOptions, runtime: SdkRuntime): Connection {
  const { silenceMs = DEFAULT_SILENCE_MS, headers = {} } = options
  checkServerUrl(options.url)
  if (!(Number.isFinite(silenceMs) && silenceMs >= 1)) {
    throw new SurefootError({
      code: 'INVALID_CONFIG',
      message: `silenceMs is ${silenceMs}, and must be at least 1 millisecond.`,
    })
  }
  const url = trpcUrl(options.url)
  const wire: Wire = {
    endpoint: String(options.url),
    fetch: options.fetch ?? runtime.fetch,
    silenceMs,
    pulse: { beats: 0 },
    runtime,
  }
  return {
    endpoint: wire.endpoint,
    open(signal) {
      const resolved = signal === undefined ? headersOf(headers) : () => untilAborted(headersOf(headers)(), signal)
      return createLinkedClient({
        url,
        headers: resolved,
        fetch: guardFetch(wire, signal),
        patientFetch: guardFetch({ ...wire, silenceMs: undefined }, signal),
      })
    },
  }
}

/** Asked for each request. What goes wrong there is the caller's to mend, not a fault of the network. */
function headersOf(headers: NonNullable<ConnectionOptions['headers']>): () => Promise<ClientHeaders> {
  return async () => {
    if (typeof headers !== 'function') return headers
    try {
      return await headers()
    } catch (error) {
      if (SurefootError.is(error)) throw error
      throw new SurefootError(
        { code: 'UNAUTHORIZED', message: 'The headers function given to the client failed.' },
        { cause: error },
      )
    }
  }
}
