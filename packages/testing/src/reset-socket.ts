import type { Socket } from 'node:net'

/**
 * Ends a connection with RST. One whose FIN is under way cannot be reset (libuv answers EINVAL, after which Node 26 never
 * closes the descriptor), so it is only destroyed.
 */
export function resetSocket(socket: Socket | null): void {
  if (socket === null || socket.destroyed) return
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
