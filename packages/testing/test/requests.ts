import { type Agent, request } from 'node:http'

/** The bytes of a chat request on a connection that closes after it. */
export function chatBytes(extra: Readonly<Record<string, unknown>> = {}, path = '/api/chat'): string {
  const body = JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }], ...extra })
  return (
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** What a client of node:http saw. */
export interface Seen {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** Code of the error, `undefined` after a proper end. */
  readonly error: string | undefined
  readonly milliseconds: number
}

/** Options of {@link ask}. */
export interface AskOptions {
  readonly path?: string
  readonly body?: Readonly<Record<string, unknown>> | undefined
  readonly agent?: Agent
  readonly signal?: AbortSignal
}

/** Sends a chat, or what the options say, and tells what came back; never throws. */
export function ask(url: string, options: AskOptions = {}): Promise<Seen> {
  const { path = '/api/chat', body = {}, agent, signal } = options
  const isChat = path !== '/api/version' && path !== '/api/ps' && path !== '/api/tags'
  const startMs = performance.now()
  return new Promise((resolve) => {
    let status: number | undefined
    let headers: Seen['headers'] = {}
    let text = ''
    const done = (error?: NodeJS.ErrnoException): void =>
      resolve({ status, headers, text, error: error?.code ?? error?.name, milliseconds: performance.now() - startMs })
    const outgoing = request(
      `${url}${path}`,
      { method: isChat ? 'POST' : 'GET', ...(agent && { agent }), ...(signal && { signal }) },
      (response) => {
        status = response.statusCode
        headers = response.headers
        response.setEncoding('utf8')
        response.on('data', (piece: string) => (text += piece))
        response.once('end', () => done())
        response.once('error', done)
      },
    )
    outgoing.once('error', done)
    outgoing.end(
      isChat ? JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }], ...body }) : '',
    )
  })
}

/** Waits until something is true, looking once a turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}
