import { type ServerResponse, STATUS_CODES } from 'node:http'
import { createPieceWriter } from './body-faults.ts'
import type { Fault } from './fault.ts'
import { goJson } from './go-json.ts'
import { resetSocket } from './reset-socket.ts'

/** Above this size Go's server stops counting and sends one chunk (the size of its buffer). */
const COUNTED_BODY_BYTES = 2048

const LAST_CHUNK = '0\r\n\r\n'

type Headers = readonly (readonly [string, string])[]

/** Writes one answer as Go's HTTP server does: same headers, same order, same framing. */
export interface Reply {
  readonly hasBegun: boolean
  /** A body of known length. */
  send(status: number, headers: Headers, body: string): Promise<void>
  /** JSON as `gin` sends it (`charset`) or as the `/v1` layer does (`plain`, with a newline). */
  json(status: number, value: unknown, kind: 'charset' | 'plain'): Promise<void>
  /** The head of a chunked answer. */
  begin(status: number, contentType: string): void
  /** One chunk; the returned promise, if any, settles when more may be written. */
  chunk(text: string): Promise<void> | undefined
  /** The proper end of a chunked answer. */
  end(): void
  /** FIN once what was written is out, without a proper end. */
  cut(): void
  /** RST; what is not out yet is lost. */
  reset(): void
  /** Bytes as they are, then FIN. */
  raw(bytes: string): void
}

/** Makes the reply of one request. `beforeEnd` runs before the last byte. */
export function createReply(
  response: ServerResponse,
  fault: Fault | undefined,
  signal: AbortSignal,
  options: { closeAfter: () => boolean; beforeEnd: () => void },
): Reply {
  let isChunked = false

  const writeHead = (status: number, headers: Headers): void => {
    const mustClose = options.closeAfter() || !response.shouldKeepAlive
    const flat: string[] = []
    for (const [name, value] of headers) {
      // Go puts Connection after the length and before the encoding.
      if (mustClose && name === 'Transfer-Encoding') flat.push('Connection', 'close')
      flat.push(name, value)
    }
    if (mustClose && !flat.includes('Connection')) flat.push('Connection', 'close')
    // Go says nothing about a connection that stays open; this keeps Node from saying it.
    response.removeHeader('Connection')
    response.writeHead(status, STATUS_CODES[status] ?? 'Unknown', flat)
    // Node puts what is written in one turn into one chunk; Ollama sends one per token, so the frames are made here.
    response.chunkedEncoding = false
    isChunked = flat.includes('Transfer-Encoding')
  }

  const framed = (body: Buffer | string): Buffer | string => {
    if (!isChunked) return body
    const size = Buffer.byteLength(body).toString(16)
    if (typeof body === 'string') return `${size}\r\n${body}\r\n`
    return Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from('\r\n')])
  }

  const writePieces = createPieceWriter(response, fault, signal, framed)

  const finish = async (body: string): Promise<void> => {
    if (writePieces !== undefined && body !== '') await writePieces(body)
    options.beforeEnd()
    const end = isChunked ? LAST_CHUNK : ''
    response.end(writePieces !== undefined || body === '' ? end : framed(body) + end)
  }

  const reply: Reply = {
    get hasBegun() {
      return response.headersSent
    },
    async send(status, headers, body) {
      const length = Buffer.byteLength(body)
      const framing: Headers =
        length > COUNTED_BODY_BYTES ? [['Transfer-Encoding', 'chunked']] : [['Content-Length', String(length)]]
      writeHead(status, [...headers, ['Date', new Date().toUTCString()], ...framing])
      await finish(body)
    },
    json: (status, value, kind) =>
      reply.send(
        status,
        [['Content-Type', kind === 'charset' ? 'application/json; charset=utf-8' : 'application/json']],
        kind === 'charset' ? goJson(value) : `${goJson(value)}\n`,
      ),
    begin(status, contentType) {
      writeHead(status, [
        ['Content-Type', contentType],
        ['Date', new Date().toUTCString()],
        ['Transfer-Encoding', 'chunked'],
      ])
    },
    chunk(text) {
      if (writePieces !== undefined) return writePieces(text)
      if (response.write(framed(text))) return undefined
      return drained(response, signal)
    },
    end() {
      options.beforeEnd()
      response.end(LAST_CHUNK)
    },
    cut: () => response.socket?.destroySoon(),
    reset: () => resetSocket(response.socket),
    raw(bytes) {
      response.socket?.write(bytes)
      response.socket?.destroySoon()
    },
  }
  return reply
}

/** Waits until a slow client has taken what was written. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    response.once('drain', () => {
      signal.removeEventListener('abort', leave)
      resolve()
    })
  })
}
