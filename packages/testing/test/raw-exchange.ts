import { connect } from 'node:net'

/** An answer as it was on the wire. */
export interface RawAnswer {
  readonly bytes: Buffer
  /** Head lines without their line ends. */
  readonly head: readonly string[]
  readonly isChunked: boolean
  /** Contents of the chunks, or the body as the only one. */
  readonly frames: readonly string[]
  readonly body: string
  /** Whether a chunked body had its 0 chunk. */
  readonly isComplete: boolean
  /** `undefined` = FIN, otherwise the error's code. */
  readonly error: string | undefined
}

/** Sends bytes and reads until the connection ends. */
export async function exchangeRaw(port: number, request: string | Buffer): Promise<RawAnswer> {
  const pieces: Buffer[] = []
  const error = await new Promise<string | undefined>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(request))
    socket.on('data', (piece) => pieces.push(piece))
    socket.once('end', () => resolve(undefined))
    socket.once('error', (failure: NodeJS.ErrnoException) => resolve(failure.code))
  })
  return { ...readAnswer(Buffer.concat(pieces)), error }
}

function readAnswer(bytes: Buffer): Omit<RawAnswer, 'error'> {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return { bytes, head: [], isChunked: false, frames: [], body: '', isComplete: false }
  const head = bytes.subarray(0, headEnd).toString().split('\r\n')
  const isChunked = head.includes('Transfer-Encoding: chunked')
  const rest = bytes.subarray(headEnd + 4)
  if (!isChunked) return { bytes, head, isChunked, frames: [rest.toString()], body: rest.toString(), isComplete: true }
  const frames: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) break
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString(), 16)
    at = lineEnd + 2 + size + 2
    if (size === 0 || at > rest.length) break
    frames.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size))
  }
  const isComplete = rest.subarray(-5).toString() === '0\r\n\r\n'
  return {
    bytes,
    head,
    isChunked,
    frames: frames.map(String),
    body: Buffer.concat(frames).toString(),
    isComplete,
  }
}
