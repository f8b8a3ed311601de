import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'

import { BackendPool } from './backend-pool.ts'

async function startRig() {
  const open: ServerResponse[] = []
  let connections = 0
  const server = createServer((_request, response) => void open.push(response))
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pool = new BackendPool(`http://127.0.0.1:${port}`, {
    poolConnections: 4,
    poolMaxSize: 4,
    connectTimeoutMs: 1_000,
  })
  return {
    pool,
    /** Sockets that were ever opened. */
    get connections() {
      return connections
    },
    /** Sends a request; resolves when it has arrived, with its handler and what ends it. */
    async send() {
      const ended = Promise.withResolvers<void>()
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => ended.resolve(),
        onResponseError: (_controller, error) => ended.reject(error),
      }
      const arrived = open.length + 1
      // What still runs at the end of a test is cut.
      ended.promise.catch(() => {})
      pool.dispatch('GET', '/api/chat', null, handler)
      while (open.length < arrived) await new Promise<void>((resolve) => setImmediate(resolve))
      const response = open.at(-1)!
      return {
        handler,
        async end() {
          response.end()
          await ended.promise
          // Its socket is free in the next turn.
          await new Promise<void>((resolve) => setImmediate(resolve))
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await pool.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

describe('the pool of a backend', () => {
  it('is exchanged once for all requests that break together', async () => {
    await using rig = await startRig()
    const first = await rig.send()
    const second = await rig.send()
    rig.pool.renew(first.handler)
    await (await rig.send()).end()
    expect(rig.connections).toBe(3)
    rig.pool.renew(second.handler)
    // On the idle socket of the new pool.
    const third = await rig.send()
    expect(rig.connections).toBe(3)
    // That one is another event.
    rig.pool.renew(third.handler)
    await (await rig.send()).end()
    expect(rig.connections).toBe(4)
  })

  it('lets what runs on the old sockets run on, and closes them then', async () => {
    await using rig = await startRig()
    const long = await rig.send()
    rig.pool.renew(long.handler)
    expect(rig.pool.sockets).toBe(1)
    await long.end()
    while (rig.pool.sockets > 0) await new Promise<void>((resolve) => setImmediate(resolve))
  })
})
