import type { Fallback } from './fallback.ts'

/** Headers of one request. */
export type ClientHeaders = Readonly<Record<string, string>>

/** A `fetch` to use instead of the global one. */
export type ClientFetch = (url: string, init: RequestInit) => Promise<Response>

/** How the Surefoot server is reached. */
export interface ConnectionOptions {
  /**
   * The server's base URL, for example `http://127.0.0.1:8000`; `/trpc` is added. In a browser also a path, `''` or
   * `/api`. Without credentials, query and hash.
   */
  readonly url: string | URL
  /** Sent with each request; a function is asked anew for each one, so that a renewed key is used at once. @default none */
  readonly headers?: ClientHeaders | (() => ClientHeaders | Promise<ClientHeaders>) | undefined
  /** @default the global `fetch` */
  readonly fetch?: ClientFetch | undefined
  /**
   * For how many milliseconds a connection may be silent before it counts as dead; it is given up after at least this
   * and at most a third more. The server sends a sign of life every 10 s. At least 1. @default 45_000
   */
  readonly silenceMs?: number | undefined
}

/** How a client behaves. */
export interface ClientOptions extends ConnectionOptions {
  /**
   * What a chat answers when nothing can, with `served: 'fallback'` and the error's code as `reason`. Never used for the
   * caller's own mistake or abort. What the function throws is thrown to the caller.
   * @default "I'm having trouble connecting. Please try again."
   */
  readonly fallback?: Fallback | undefined
}

/** More than four of the server's pings, which come every 10 s. */
export const DEFAULT_SILENCE_MS = 45_000

/** The tRPC endpoint of a server, without a slash at its end. */
export function trpcUrl(url: string | URL): string {
  return `${String(url).replace(/\/+$/, '')}/trpc`
}
