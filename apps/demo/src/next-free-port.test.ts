import { createServer, type AddressInfo, type Server } from 'node:net'
import { expect, it } from 'vitest'

import { onNextFreePort } from './next-free-port.ts'

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

it('goes on to the next port while the wanted one is taken', async () => {
  const taken = await listen(0)
  const { port } = taken.address() as AddressInfo
  const opened = await onNextFreePort(port, listen)
  try {
    expect((opened.address() as AddressInfo).port).toBeGreaterThan(port)
  } finally {
    opened.close()
    taken.close()
  }
})

it('gives up after twenty, with the last error', async () => {
  const tried: number[] = []
  const open = (port: number): Promise<never> => {
    tried.push(port)
    return Promise.reject(Object.assign(new Error('taken'), { cause: { code: 'EADDRINUSE' } }))
  }
  await expect(onNextFreePort(8000, open)).rejects.toThrow('taken')
  expect(tried).toHaveLength(21)
})

it('does not hide any other error', async () => {
  await expect(onNextFreePort(8000, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
})
