import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../../test/fake-surefoot.ts'
import { rawRequest } from '../../test/raw-request.ts'
import { createServer } from '../create-server.ts'

const ask = (port: number, host: string, path = '/api/tags') =>
  rawRequest(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)

test.each([
  'evil.example',
  'evil.example:8000',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '10.0.0.1',
  '[::2]',
])('the host name %s is refused on loopback (DNS rebinding)', async (host) => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const answer = await ask(server.port, host)
  expect(answer).toMatch(/^HTTP\/1\.1 403 /)
  expect(answer).toContain('{"error":"This server listens on loopback and answers only requests for localhost."}')
})

test.each(['localhost', 'LocalHost:8000', '127.0.0.1:1', '[::1]:8000', 'app.localhost'])(
  'the host name %s is fine',
  async (host) => {
    await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
    expect(await ask(server.port, host)).toMatch(/^HTTP\/1\.1 200 /)
  },
)

test('an absolute request target names the host as well', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0 })
  const answer = await ask(server.port, 'evil.example', 'http://localhost/api/tags')
  expect(answer).toMatch(/^HTTP\/1\.1 403 /)
})

test('off loopback any name will do, because there a key is needed', async () => {
  await using server = await createServer({ surefoot: createFakeSurefoot(), port: 0, host: '0.0.0.0', keys: ['k'] })
  const head = 'GET /api/tags HTTP/1.1\r\nHost: gpu.example\r\nAuthorization: Bearer k\r\nConnection: close\r\n\r\n'
  expect(await rawRequest(server.port, head)).toMatch(/^HTTP\/1\.1 200 /)
})
