import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import { createSurefoot } from '@surefoot/core'
import { describe, expect, it } from 'vitest'

import { read, until } from './setup.ts'

/** A program on a port that answers the first bytes of each connection in its own way. */
async function startStranger(answer: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

const line = (content: string, more: object = {}): string =>
  `${JSON.stringify({ model: 'm', created_at: 't', message: { role: 'assistant', content }, done: false, ...more })}\n`
const last = (content = ''): string => line(content, { done: true, done_reason: 'stop' })
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const end = '0\r\n\r\n'
const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n'
const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`
const sized = (body: string): string => `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

/** Writes something again and again until the other side has had enough. */
const endlessly = (first: string, again: string) => (socket: Socket) => {
  socket.write(first)
  const more = (): void => {
    if (socket.destroyed) return
    socket.write(again)
    setTimeout(more, 1)
  }
  more()
}

const rows: Record<string, readonly [answer: (socket: Socket) => void, outcome: string]> = {
  'a final line without a line end': [(socket) => socket.write(sized(line('hello') + last().trim())), 'hello'],
  'carriage returns': [(socket) => socket.write(sized((line('hello') + last()).replaceAll('\n', '\r\n'))), 'hello'],
  'lines after the last one': [(socket) => socket.write(sized(line('hello') + last() + line('more'))), 'hello'],
  'text in the last line': [(socket) => socket.write(chunked + chunk(line('he') + last('llo')) + end), 'hello'],
  'a reason to be done without done': [
    (socket) => socket.write(sized(line('hello') + line('', { done: undefined, done_reason: 'stop' }))),
    'hello',
  ],
  'null for what is not there': [
    (socket) => {
      const message = { role: 'assistant', content: 'hello', thinking: null, tool_calls: null }
      socket.write(sized(line('', { message }) + last()))
    },
    'hello',
  ],
  'the last line and then silence': [(socket) => socket.write(chunked + chunk(line('hello') + last())), 'hello'],
  'a connection that closes after it': [
    (socket) => socket.end(`${head}Connection: close\r\n\r\n${line('hello')}${last()}`),
    'hello',
  ],
  '400 pieces without a word first': [
    (socket) => socket.write(chunked + chunk(line('').repeat(400)) + chunk(line('hello') + last()) + end),
    'hello',
  ],
  'a connection that closes too soon': [
    (socket) => socket.end(`${head}Content-Length: 9999\r\n\r\n${line('hello')}`),
    'hello STREAM_INTERRUPTED',
  ],
  'a frame that is none': [
    (socket) => socket.write(`${chunked}${chunk(line('hello'))}zzz\r\n`),
    'hello STREAM_INTERRUPTED',
  ],
  'a 500 whose body never ends': [
    (socket) => socket.write('HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"error":'),
    ' BACKEND_FAILED',
  ],
  'a 500 with a body without end': [
    endlessly('HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n', chunk('x'.repeat(10_000))),
    ' BACKEND_FAILED',
  ],
  'headers without end': [endlessly(head, `X-More: ${'x'.repeat(10_000)}\r\n`), ' BAD_RESPONSE'],
  'two lengths': [(socket) => socket.write(`${head}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`), ' BAD_RESPONSE'],
  'another protocol': [
    (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
    ' CANNOT_CONNECT',
  ],
  'no content': [(socket) => socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'), ' BAD_RESPONSE'],
  'packed bytes': [
    (socket) => socket.end(`${head}Content-Encoding: gzip\r\nConnection: close\r\n\r\n\u001f\u008b....`),
    ' BAD_RESPONSE',
  ],
  'an end at once': [(socket) => socket.end(), ' CANNOT_CONNECT'],
  'brackets 200,000 deep': [(socket) => socket.write(sized(`${'['.repeat(200_000)}\n`)), ' BAD_RESPONSE'],
  'lines without a word, for ever': [endlessly(chunked, chunk(line(''))), ' DEADLINE_EXCEEDED'],
  'line ends only, for ever': [endlessly(chunked, chunk('\n')), ' DEADLINE_EXCEEDED'],
}

describe('what answers in its own way', () => {
  for (const [name, [answer, outcome]] of Object.entries(rows)) {
    it(`${name}: ${outcome.trim()}`, async () => {
      await using stranger = await startStranger(answer)
      await using surefoot = createSurefoot(
        { backends: stranger.url, logLevel: 'silent', maxRetries: 0, promptRetry: false, timeoutMs: 300 },
        { env: {} },
      )
      const { text, failure } = await read(surefoot, 'hi', { deadlineMs: 700 })
      const code = (failure as { code?: string } | undefined)?.code
      expect(code === undefined ? text : `${text} ${code}`).toBe(outcome)
      await until(async () => (await surefoot.backends())[0]!.inFlight === 0)
      // What cannot be used again is closed.
      if (code !== undefined) await until(async () => (await surefoot.backends())[0]!.sockets === 0)
    })
  }
})
