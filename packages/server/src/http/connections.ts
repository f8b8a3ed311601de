import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** What a server's connections are doing. */
export interface Connections {
  /** Answers that have not ended. */
  readonly running: number
  /** Resolves when no answer runs. */
  idle(): Promise<void>
}

/**
 * Counts running answers, and cuts readers that stopped reading: a socket on which nothing moved for `stallTimeoutMs`
 * while bytes wait for its reader. A socket that is silent because the model still thinks stays open.
 */
export function watchConnections(server: Server, stallTimeoutMs: number): Connections {
  const busy = new Map<Socket, number>()
  let running = 0
  let waiting: (() => void)[] = []

  server.on('request', (request, response) => {
    const { socket } = request
    running++
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    response.once('close', () => {
      running--
      const left = (busy.get(socket) ?? 1) - 1
      if (left === 0) busy.delete(socket)
      else busy.set(socket, left)
      if (running > 0) return
      for (const resolve of waiting) resolve()
      waiting = []
    })
  })
  server.setTimeout(stallTimeoutMs, (socket) => {
    const isWaitingForUs = busy.has(socket) && socket.writableLength === 0
    // Setting it again starts it again; Node fires it once.
    if (isWaitingForUs) socket.setTimeout(stallTimeoutMs)
    else socket.destroy()
  })

  return {
    get running() {
      return running
    },
    idle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
