import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** Something on a free port that is closed with all its connections. */
export interface Listening extends AsyncDisposable {
  readonly url: string
  /** Requests or connections that came in. */
  readonly seen: () => number
}

/** A server that answers every request as told. */
export async function createAnswering(
  answer: (request: IncomingMessage, response: ServerResponse, nth: number) => void | Promise<void>,
): Promise<Listening> {
  let seen = 0
  const server = createServer((request, response) => void answer(request, response, ++seen))
  return await listening(server, {
    seen: () => seen,
    endConnections: () => server.closeAllConnections(),
  })
}

/** A server that does to every connection what it is told, before a byte of HTTP. */
export async function createTcp(onConnection: (socket: Socket, nth: number) => void): Promise<Listening> {
  let seen = 0
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket, ++seen)
  })
  return await listening(server, {
    seen: () => seen,
    endConnections() {
      for (const socket of sockets) socket.destroy()
    },
  })
}

async function listening(
  server: Server,
  { seen, endConnections }: { readonly seen: () => number; readonly endConnections: () => void },
): Promise<Listening> {
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      endConnections()
      await closed
    },
  }
}

/** What to do with one answer: how many bytes of it to pass on, what to change, and how to go on then. */
export interface Meddling {
  readonly bytes?: number
  readonly edit?: (body: string) => string
  /** `end` closes the body in good order, `reset` the connection, `hang` nothing. */
  readonly then: 'end' | 'reset' | 'hang'
}

/** A proxy before a real server that lets a body through as told. */
export async function createMeddler(upstream: string, meddle: (nth: number) => Meddling): Promise<Listening> {
  return await createAnswering(async (request, response, nth) => {
    const { bytes = Infinity, edit = (body) => body, then } = meddle(nth)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { 'content-type': contentType, 'trpc-accept': accept } = request.headers
    const answer = await fetch(`${upstream}${request.url}`, {
      method: request.method!,
      headers: { 'content-type': contentType!, ...(accept !== undefined && { 'trpc-accept': String(accept) }) },
      body: Buffer.concat(parts),
    })
    const body = Buffer.from(edit(await answer.text()))
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! })
    response.flushHeaders()
    const goOn = (): void => {
      if (then === 'end') response.end()
      // Flushed first: an RST may otherwise overtake the bytes before it.
      if (then === 'reset') setTimeout(() => response.socket?.resetAndDestroy(), 2)
    }
    const part = body.subarray(0, bytes)
    if (part.length === 0) goOn()
    else response.write(part, goOn)
  })
}
