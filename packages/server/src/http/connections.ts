import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** What a server's connections are doing. */
export interface Connections {
  /** Requests that came whole and are not answered yet. */
  readonly running: number
  /** Resolves when no answer runs. */
  idle(): Promise<void>
}

/**
 * Counts running answers, and cuts readers that stopped reading: a socket on which nothing moved for `stallTimeoutMs`
 * while bytes wait for its reader. A socket that is silent because the model still thinks stays open.
 *
 * A request counts from the moment its body is there: until then nothing runs for it, and whoever sends only half of
 * one must not hold up a server that closes.
 */
export function watchConnections(server: Server, stallTimeoutMs: number): Connections {
  const busy = new Map<Socket, number>()
  let running = 0
  let waiting: (() => void)[] = []

  const count = (socket: Socket): void => {
    running++
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
  }
  const discount = (socket: Socket): void => {
    running--
    const left = (busy.get(socket) ?? 1) - 1
    if (left === 0) busy.delete(socket)
    else busy.set(socket, left)
    if (running > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }

  server.on('request', (request, response) => {
    const { socket } = request
    let isCounted = false
    const begin = (): void => {
      isCounted = true
      count(socket)
    }
    if (hasBody(request)) request.once('end', begin)
    else begin()
    response.once('close', () => {
      request.off('end', begin)
      if (isCounted) discount(socket)
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

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
