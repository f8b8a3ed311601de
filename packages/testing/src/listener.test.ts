import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { createListener } from './listener.ts'

async function connectTo(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => 'connected'),
    new Promise<string>((resolve) =>
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code))),
    ),
  ]).catch((error: NodeJS.ErrnoException) => String(error.code))
  socket.destroy()
  return outcome
}

it('stays closed when it is asked to close while it opens, and opens when the last reason is gone', async () => {
  const listener = await createListener(0, (socket) => socket.destroy())
  const { port } = listener
  listener.close('a')
  const reopened = listener.reopen('a')
  listener.close('b')
  await reopened
  expect(await connectTo(port)).toBe('ECONNREFUSED')
  listener.close('c')
  await listener.reopen('b')
  expect(listener.isListening).toBe(false)
  await listener.reopen('c')
  expect(listener.port).toBe(port)
  expect(await connectTo(port)).toBe('connected')
  listener.close('end')
})
