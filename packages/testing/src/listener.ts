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
  let opening: Promise<void> = Promise.resolve()

  const listen = async (): Promise<void> => {
    const wanted = createServer({ noDelay: true, allowHalfOpen: true }, onConnection)
    server = wanted
    await new Promise<void>((resolve, reject) => {
      wanted.once('error', reject)
      wanted.once('close', resolve)
      wanted.listen({ host: '127.0.0.1', port, backlog: 1024 }, resolve)
    })
    const address = wanted.address()
    if (address !== null && typeof address === 'object') port = address.port
  }

  // While the port was closed, an outgoing connection may have been given its number for a moment.
  const listenAgain = async (): Promise<void> => {
    while (reasons.size === 0) {
      try {
        return await listen()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
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
      return server?.listening === true
    },
    close(reason) {
      reasons.add(reason)
      // Node closes the listening descriptor at once; a connection still in its backlog gets RST.
      server?.close()
      server = undefined
    },
    async reopen(reason) {
      reasons.delete(reason)
      if (reasons.size === 0 && server === undefined) opening = listenAgain()
      await opening
    },
  }
}
