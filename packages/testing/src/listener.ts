import { createServer, type Server, type Socket } from 'node:net'

/** The listening port of the stand-in, which can go away and come back. */
export interface Listener {
  readonly port: number
  readonly isListening: boolean
  /** Closes the port for a reason; it stays closed while any reason holds. Takes effect before this returns. */
  close(reason: string): void
  /** Takes a reason back and resolves when the port is in the state it should be in. */
  reopen(reason: string): Promise<void>
}

/** Opens a port on the loopback interface; connections go to `onConnection`. */
export async function createListener(wantedPort: number, onConnection: (socket: Socket) => void): Promise<Listener> {
  const reasons = new Set<string>()
  let port = wantedPort
  let server: Server | undefined
  let opening: Promise<void> | undefined

  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const candidate = createServer({ noDelay: true, allowHalfOpen: true }, onConnection)
      candidate.once('error', reject)
      candidate.listen({ host: '127.0.0.1', port, backlog: 1024 }, () => {
        const address = candidate.address()
        if (address !== null && typeof address === 'object') port = address.port
        // Asked to close while it was opening: before anyone can have connected.
        if (reasons.size > 0) candidate.close()
        else server = candidate
        resolve()
      })
    })

  const openUnlessClosed = async (): Promise<void> => {
    while (reasons.size === 0 && server === undefined) {
      try {
        await listen()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
        // While the port was closed, an outgoing connection may have been given its number for a moment.
        await new Promise<void>((resolve) => setTimeout(resolve, 5))
      }
    }
  }

  await listen()
  return {
    get port() {
      return port
    },
    get isListening() {
      return server !== undefined
    },
    close(reason) {
      reasons.add(reason)
      // Node closes the listening descriptor at once; a connection still in its backlog gets RST.
      server?.close()
      server = undefined
    },
    async reopen(reason) {
      reasons.delete(reason)
      opening ??= openUnlessClosed().finally(() => (opening = undefined))
      await opening
    },
  }
}
