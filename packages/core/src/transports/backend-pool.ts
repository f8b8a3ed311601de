import { Client, Pool } from 'undici'
import type { Dispatcher } from 'undici'

import type { Config } from '../config/config.ts'

/** Idle sockets up to `poolConnections` stay open this long; a proxy in between must not close sooner. */
const KEEP_MS = 60_000
/** Idle sockets beyond that. */
const KEEP_BURST_MS = 4_000
/** Response heads larger than this are refused. */
const LARGEST_HEAD_BYTES = 64 * 1024

type PoolSizes = Pick<Config, 'poolConnections' | 'poolMaxSize' | 'connectTimeoutMs'> & {
  /** A longer body is an error; any length when absent. */
  readonly largestBodyBytes?: number
}

/**
 * The sockets to one backend. One undici pool; it can be exchanged for a fresh one when its idle sockets are suspected
 * dead, while streams on the old one run to their end.
 */
export class BackendPool {
  readonly #origin: string
  readonly #prefix: string
  readonly #authorization: string | undefined
  readonly #sizes: PoolSizes
  #pool: Pool
  readonly #retired = new Set<Pool>()
  readonly #sentOn = new WeakMap<Dispatcher.DispatchHandler, Pool>()

  constructor(url: string, sizes: PoolSizes) {
    const { origin, pathname, username, password } = new URL(url)
    this.#origin = origin
    this.#prefix = pathname.replace(/\/+$/, '')
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.#authorization =
      username === '' && password === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
    this.#sizes = sizes
    this.#pool = this.#open()
  }

  /** Open sockets, idle ones included. */
  get sockets(): number {
    return [this.#pool, ...this.#retired].reduce((sum, pool) => sum + pool.stats.connected, 0)
  }

  /** Sends one request; everything that happens to it is told to the handler. */
  dispatch(method: 'GET' | 'POST', path: string, body: Buffer | null, handler: Dispatcher.DispatchHandler): void {
    this.#sentOn.set(handler, this.#pool)
    this.#pool.dispatch({ method, path: this.#prefix + path, headers: this.#headers(body), body }, handler)
  }

  /** Reads a short answer whole. Rejects as undici does, also when the answer is larger than a list of models can be. */
  async get(path: string, signal: AbortSignal): Promise<{ readonly status: number; readonly body: string }> {
    const { statusCode, body } = await this.#pool.request({
      method: 'GET',
      path: this.#prefix + path,
      headers: this.#headers(null),
      signal,
    })
    return { status: statusCode, body: await body.text() }
  }

  /** From now on requests go out on new sockets, unless they do already since that request was sent. */
  renew(failed: Dispatcher.DispatchHandler): void {
    const old = this.#pool
    if (this.#sentOn.get(failed) !== old) return
    this.#pool = this.#open()
    this.#retired.add(old)
    void old.close().finally(() => this.#retired.delete(old))
  }

  /** Closes every socket at once. */
  async destroy(): Promise<void> {
    await Promise.all([this.#pool, ...this.#retired].map((pool) => pool.destroy()))
  }

  #headers(body: Buffer | null): Record<string, string> {
    return {
      accept: 'application/x-ndjson, application/json',
      ...(body !== null && { 'content-type': 'application/json' }),
      ...(this.#authorization !== undefined && { authorization: this.#authorization }),
    }
  }

  #open(): Pool {
    const { poolConnections, poolMaxSize, connectTimeoutMs, largestBodyBytes = -1 } = this.#sizes
    let kept = 0
    return new Pool(this.#origin, {
      connections: poolMaxSize,
      pipelining: 1,
      // Silence is judged by the transport, which knows queue, load and tokens apart; undici's timers do not (F35).
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: LARGEST_HEAD_BYTES,
      maxResponseSize: largestBodyBytes,
      connect: { timeout: connectTimeoutMs },
      // undici takes the first idle client of its list, so the early ones do the work and the late ones fall idle.
      factory: (origin, options) =>
        new Client(origin, { ...options, keepAliveTimeout: kept++ < poolConnections ? KEEP_MS : KEEP_BURST_MS }),
    })
  }
}
