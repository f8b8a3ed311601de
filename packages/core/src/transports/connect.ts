import { createShortCalls } from '../backends/short-calls.ts'
import type { Connect } from '../connection.ts'
import { BackendPool } from './backend-pool.ts'

/** Probes have sockets of their own: streams must not starve them. And no list of models is larger than 16 MiB. */
const PROBE_POOL = { poolConnections: 1, poolMaxSize: 2, connectTimeoutMs: 1_000, largestBodyBytes: 16 * 1024 * 1024 }

/** The real way to a backend: one undici pool for chats, a small one for probes. */
export const connect: Connect = (url, config) => {
  const pool = new BackendPool(url, config)
  const probePool = new BackendPool(url, PROBE_POOL)
  const closed = new AbortController()
  return {
    get sockets() {
      return pool.sockets
    },
    dispatch: (method, path, body, handler) => pool.dispatch(method, path, body, handler),
    renew: (failed) => pool.renew(failed),
    calls: createShortCalls((path, signal) => probePool.get(path, signal), closed.signal),
    close: async () => {
      closed.abort()
      await Promise.all([pool.destroy(), probePool.destroy()])
    },
  }
}
