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
  readonly bodyBytes: number
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
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    socket.once('end', () => resolve(undefined))
    socket.once('error', (failure: NodeJS.ErrnoException) => resolve(failure.code))
  })
  return { ...readAnswer(Buffer.concat(pieces)), error }
}

function readAnswer(bytes: Buffer): Omit<RawAnswer, 'error'> {
  const headEnd = bytes.indexOf('\r\n\r\n')
  const head = bytes.subarray(0, Math.max(0, headEnd)).toString().split('\r\n')
  const rest = headEnd < 0 ? Buffer.alloc(0) : bytes.subarray(headEnd + 4)
  const isChunked = head.includes('Transfer-Encoding: chunked')
  const frames = isChunked ? readChunks(rest) : [rest]
  const body = Buffer.concat(frames)
  return {
    bytes,
    head: head.filter((line) => line !== ''),
    isChunked,
    frames: frames.map((frame) => frame.toString()),
    body: body.toString(),
    bodyBytes: body.length,
    isComplete: isChunked && rest.subarray(-5).toString() === '0\r\n\r\n',
  }
}

/** The whole chunks, without the last empty one. */
function readChunks(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return chunks
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16)
    at = lineEnd + 2 + size + 2
    if (size === 0 || at > bytes.length) return chunks
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
  }
}
