import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { SurefootError } from '@surefoot/protocol'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../../test/fake-surefoot.ts'
import { createServer } from '../../create-server.ts'
import { createRemoteTarget } from './remote-target.ts'

const { signal } = new AbortController()

test('asks a server for its health and for answers, with the key', async () => {
  const surefoot = createFakeSurefoot()
  await using server = await createServer({ surefoot, port: 0, keys: ['k'] })
  await using target = createRemoteTarget(`${server.url}/`, 'k')
  expect(await target.health(signal)).toMatchObject({ status: 'up' })
  expect(await target.ask('What is water?', 'Be short.', signal)).toBe('Water is wet.')
  expect(surefoot.calls[0]).toMatchObject({
    input: { messages: [{ role: 'system', content: 'Be short.' }, { role: 'user' }] },
  })
})

test('a refusal keeps its code, on both surfaces', async () => {
  const failing = () => Promise.reject(new SurefootError({ code: 'OVERLOADED', message: 'Busy' }))
  await using server = await createServer({ surefoot: createFakeSurefoot(failing), port: 0, keys: ['k'] })
  const stranger = createRemoteTarget(server.url, undefined)
  await expect(stranger.health(signal)).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  const target = createRemoteTarget(server.url, 'k')
  await expect(target.ask('Hi', '', signal)).rejects.toMatchObject({ code: 'OVERLOADED' })
})

test('says when nothing answers, and when it is no Surefoot', async () => {
  const other = createHttpServer((_request, response) => response.end('<html>'))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  await expect(createRemoteTarget(url, undefined).health(signal)).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: `What answers at ${url} is not a Surefoot server.`,
  })
  await new Promise((resolve) => other.close(resolve))
  await expect(createRemoteTarget(url, undefined).health(signal)).rejects.toMatchObject({
    message: `Cannot connect to the Surefoot server at ${url}.`,
  })
})

test.each(['nonsense', 'localhost:8000', 'ftp://a'])('%s is no URL', (url) => {
  expect(() => createRemoteTarget(url, undefined)).toThrow(`'${url}' is not an http(s) URL.`)
})
