import type { Socket } from 'node:net'

/** A connection to the stand-in. */
export interface Connection {
  /** Counted from 1. */
  readonly id: number
  readonly socket: Socket
  /** Requests whose head has arrived on it. */
  served: number
  /** Requests in progress on it. */
  active: number
}

/** All open connections. */
export interface Connections {
  readonly openCount: number
  /** Bytes written since the beginning, closed connections included. */
  readonly bytesWritten: number
  add(socket: Socket): Connection
  of(socket: Socket): Connection | undefined
  /** Closes, with FIN, those that serve no request. */
  closeIdle(): void
  /** Closes one, with FIN, once what was written is out. */
  close(connection: Connection): void
  /** Ends all at once, as the kernel does for a killed process. */
  destroyAll(): void
}

/** Makes the list. */
export function createConnections(): Connections {
  const open = new Map<Socket, Connection>()
  let lastId = 0
  let closedBytes = 0
  const closing = new WeakSet<Connection>()
  const close = (connection: Connection): void => {
    if (closing.has(connection)) return
    closing.add(connection)
    connection.socket.destroySoon()
  }
  return {
    get openCount() {
      return open.size
    },
    get bytesWritten() {
      let sum = closedBytes
      for (const socket of open.keys()) sum += socket.bytesWritten
      return sum
    },
    add(socket) {
      const connection: Connection = { id: ++lastId, socket, served: 0, active: 0 }
      open.set(socket, connection)
      socket.once('close', () => {
        open.delete(socket)
        closedBytes += socket.bytesWritten
      })
      return connection
    },
    of: (socket) => open.get(socket),
    closeIdle() {
      for (const connection of open.values()) if (connection.active === 0) close(connection)
    },
    close,
    destroyAll() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}
