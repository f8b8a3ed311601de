import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

import { TOKENS_BEFORE_CUT, type FaultSwitch } from './fault-switch.ts'
import type { BreakMode } from './shared/demo-api.ts'

/** A proxy on loopback in front of a real Ollama, because a real Ollama does not break when one asks it to. */
export interface FaultProxy extends FaultSwitch, AsyncDisposable {
  readonly url: string
}

const ANSWERS = new Set(['/api/chat', '/api/generate', '/v1/chat/completions'])

/** Opens a proxy to one Ollama. Without a fault it hands every byte on and keeps nothing back. */
export async function createFaultProxy(target: string): Promise<FaultProxy> {
  const sockets = new Set<Socket>()
  let mode: BreakMode = 'none'
  let requests = 0
  let broken = 0
  let sinceSwitch = 0

  const server = createServer((request, response) => {
    if (!ANSWERS.has(request.url ?? '')) return pass(target, request, response)
    requests++
    // The first one and then every second one is struck: whoever presses the button sees it at once.
    const strikes = mode !== 'none' && mode !== 'refuse' && sinceSwitch++ % 2 === 0
    if (!strikes) return pass(target, request, response)
    broken++
    if (mode === 'every-second') request.socket.resetAndDestroy()
    // A hang takes the question and keeps the connection; it ends when the other side has had enough.
    else if (mode === 'hang') request.resume()
    else pass(target, request, response, true)
  })
  server.requestTimeout = 0
  server.headersTimeout = 0
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.resetAndDestroy()
    })

  await listen(0)
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    get mode() {
      return mode
    },
    async set(wanted) {
      mode = wanted
      sinceSwitch = 0
      if (wanted === 'refuse' && server.listening) await close()
      else if (wanted !== 'refuse' && !server.listening) await listen(port)
    },
    counts: () => ({ requests, broken }),
    async [Symbol.asyncDispose]() {
      if (server.listening) await close()
    },
  }
}

/** Hands a request on; with `isCut` the answer breaks off after some of its pieces, at the latest before its end. */
function pass(target: string, request: IncomingMessage, response: ServerResponse, isCut = false): void {
  const url = new URL(`${target}${request.url ?? '/'}`)
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = { ...request.headers, host: url.host }
  const upstream = open(url, { method: request.method, headers })
  // To the caller a failing Ollama looks as if there were no proxy: the connection ends, nothing is made up.
  const fail = (): void => void request.socket.resetAndDestroy()
  upstream.on('error', fail)
  upstream.on('response', (answer) => {
    let chunks = 0
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', fail)
    answer.on('data', (chunk: Buffer) => {
      if (isCut && (++chunks > TOKENS_BEFORE_CUT || chunk.includes('"done":true'))) return request.socket.destroySoon()
      if (!response.write(chunk)) {
        answer.pause()
        response.once('drain', () => answer.resume())
      }
    })
    answer.on('end', () => response.end())
  })
  response.on('close', () => upstream.destroy())
  request.pipe(upstream)
}
