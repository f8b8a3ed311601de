import { createServer as createHttpServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { getRequestListener } from '@hono/node-server'
import { SurefootError } from '@surefoot/protocol'

import { createFetchHandler } from './fetch-handler.ts'
import type { FetchHandlerOptions } from './fetch-handler.ts'
import { isLoopback, refuseOpenBinding } from './http/loopback.ts'
import { errorToOllamaResponse } from './http/errors.ts'
import { watchConnections } from './http/connections.ts'

/** Longer than the 60 s for which proxies keep a connection: whoever closes first must not be the one who is being asked. */
const KEEP_ALIVE_MS = 65_000

/** How a server listens, and what it serves. */
export interface ServerOptions extends Omit<FetchHandlerOptions, 'loopbackOnly'> {
  /** 0 takes a free one. @default 8000 */
  readonly port?: number | undefined
  /** The address to bind to. Off loopback only with a key. @default 127.0.0.1 */
  readonly host?: string | undefined
  /** How long running answers may go on once the server closes, in milliseconds. @default 30_000 */
  readonly drainMs?: number | undefined
  /** Bounds on connections; the defaults suit browsers and Ollama's clients. */
  readonly limits?: ServerLimits | undefined
}

/** What one connection may take. */
export interface ServerLimits {
  /** Time to send the request's head, in milliseconds. @default 10_000 */
  readonly headersTimeoutMs?: number | undefined
  /** Time to send the whole request, in milliseconds; answers may take any time. @default 30_000 */
  readonly requestTimeoutMs?: number | undefined
  /** How long a reader may take nothing while something waits for it, in milliseconds. @default 60_000 */
  readonly stallTimeoutMs?: number | undefined
  /** Size of the request's head. @default 16_384 */
  readonly maxHeaderBytes?: number | undefined
}

/** A listening server. */
export interface SurefootServer extends AsyncDisposable {
  /** As one calls it from this machine, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Refuses new chats and resolves when the running answers have ended; the server goes on listening. */
  drain(): Promise<void>
  /** Drains for at most `drainMs`, then ends every connection. The `surefoot` it serves stays open. */
  close(options?: { readonly drainMs?: number | undefined }): Promise<void>
}

/**
 * Starts a server: the typed procedures under `/trpc`, Ollama's API under `/api`, `/livez` and `/readyz`.
 *
 * @throws SurefootError `INVALID_CONFIG` when the address is open to the network and no key is given, when the port is
 * taken, or for a CORS origin that is none.
 *
 * @example
 * await using server = await createServer({ surefoot, port: 0 })
 * console.log(server.url)
 */
export async function createServer(options: ServerOptions): Promise<SurefootServer> {
  const { port = 8000, host = '127.0.0.1', keys = [], drainMs = 30_000, limits = {} } = options
  refuseOpenBinding(host, keys)
  const handler = createFetchHandler({ ...options, loopbackOnly: isLoopback(host) })
  const listener = getRequestListener(handler.fetch, {
    hostname: 'localhost',
    // A library does not replace the globals of the process it runs in.
    overrideGlobalObjects: false,
    errorHandler: () => errorToOllamaResponse(badRequest()),
  })
  const requestTimeout = limits.requestTimeoutMs ?? 30_000
  const server = createHttpServer(
    {
      headersTimeout: limits.headersTimeoutMs ?? 10_000,
      requestTimeout,
      // Node looks for late requests only so often.
      connectionsCheckingInterval: Math.min(5_000, requestTimeout),
      maxHeaderSize: limits.maxHeaderBytes ?? 16_384,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => void listener(request, response),
  )
  const connections = watchConnections(server, limits.stallTimeoutMs ?? 60_000)
  await listen(server, port, host)
  const bound = server.address() as AddressInfo
  let closing: Promise<void> | undefined

  const close = async (limitMs: number): Promise<void> => {
    handler.startDraining()
    const closed = new Promise<void>((resolve) => server.once('close', () => resolve()))
    const cut = (): void => {
      server.close()
      // All, and not only those that Node calls idle: one that sent half a request is none, and would be waited for.
      server.closeAllConnections()
    }
    const limit = setTimeout(cut, limitMs)
    void connections.idle().then(cut)
    await closed
    clearTimeout(limit)
  }

  const end = (limitMs: number): Promise<void> => {
    if (closing !== undefined && limitMs === 0) server.closeAllConnections()
    closing ??= close(limitMs)
    return closing
  }

  return {
    url: `http://${hostToUrl(host)}:${bound.port}`,
    port: bound.port,
    drain() {
      handler.startDraining()
      return connections.idle()
    },
    close: ({ drainMs: limitMs = drainMs } = {}) => end(limitMs),
    [Symbol.asyncDispose]: () => end(drainMs),
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(cannotListen(error, port, host))
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function cannotListen(error: NodeJS.ErrnoException, port: number, host: string): SurefootError {
  const [message, hint] =
    error.code === 'EADDRINUSE'
      ? [`Port ${port} on ${host} is already in use.`, 'Choose another one with --port, or stop what listens there.']
      : error.code === 'EACCES'
        ? [`Port ${port} may not be opened by this user.`, 'Choose one above 1023 with --port.']
        : [`Cannot listen on ${host}:${port} (${error.code ?? 'unknown reason'}).`, 'Choose another --host or --port.']
  return new SurefootError({ code: 'INVALID_CONFIG', message, hint }, { cause: error })
}

/** An address that means "all" is called through loopback from here. */
function hostToUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '') return '127.0.0.1'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function badRequest(): SurefootError {
  return new SurefootError({ code: 'INVALID_REQUEST', message: 'The request has no valid URL or Host header.' })
}
