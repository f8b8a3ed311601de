import type { Dispatcher } from 'undici'

import type { ShortCalls } from './backends/short-calls.ts'
import type { Config } from './config/config.ts'

/** The sockets to one backend, as the rest of core uses them; what a simulation puts something else in the place of. */
export interface Connection {
  /** Open sockets of the pool for chats, idle ones included. */
  readonly sockets: number
  /** Sends one request; everything that happens to it is told to the handler. */
  dispatch(method: 'GET' | 'POST', path: string, body: Buffer | null, handler: Dispatcher.DispatchHandler): void
  /**
   * From now on requests go out on new sockets; what runs on the old ones is left alone. Streams that break together ask
   * for it once each, but are one event.
   *
   * @param failed the handler of the request that broke; nothing is done when its socket is left behind already.
   */
  renew(failed: Dispatcher.DispatchHandler): void
  /** Health, lists and probes, on sockets of their own: streams must not starve them. */
  readonly calls: ShortCalls
  /** Closes every socket at once. */
  close(): Promise<void>
}

/** Opens the way to a backend; nothing is sent before the first call. */
export type Connect = (url: string, config: Config) => Connection
