import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { resetSocket } from './reset-socket.ts'

it.each([
  ['open', () => undefined],
  [
    'already ending, with bytes that the client does not read',
    (socket: Socket) => socket.end(Buffer.alloc(20_000_000)),
  ],
])('closes a connection that is %s', async (_name, prepare) => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1').pause()
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  prepare(socket)
  const closed = once(socket, 'close')
  resetSocket(socket)
  await closed
  expect(socket.destroyed).toBe(true)
  client.destroy()
  server.close()
})
