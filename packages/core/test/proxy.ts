import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What arrived at a proxy. */
export interface Seen {
  readonly url: string
  readonly authorization: string | undefined
}

/** An HTTP proxy before a backend, as an operator would put one there. */
export interface Proxy extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly seen: readonly Seen[]
  close(): Promise<void>
}

/** Hands everything on to a backend; what does not begin with the prefix is not found. */
export async function createProxy(backend: string, { prefix = '' } = {}): Promise<Proxy> {
  const seen: Seen[] = []
  const server = createServer((incoming, response) => {
    const url = incoming.url ?? ''
    seen.push({ url, authorization: incoming.headers.authorization })
    if (!url.startsWith(prefix)) {
      response.writeHead(404).end('not here')
      return
    }
    const outgoing = request(
      `${backend}${url.slice(prefix.length)}`,
      { method: incoming.method, headers: { 'content-type': 'application/json' } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    outgoing.once('error', () => response.destroy())
    response.once('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return { url: `http://127.0.0.1:${port}`, port, seen, close, [Symbol.asyncDispose]: close }
}
