import { connect } from 'node:net'

/** Sends bytes as they are, which `fetch` would not, and resolves with everything that comes back until the end. */
export function rawRequest(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (part) => (answer += part))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

/** One request whose path is not normalised on its way. */
export function rawPath(port: number, method: string, path: string, headers: string[] = []): Promise<string> {
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers]
  return rawRequest(port, `${head.join('\r\n')}\r\n\r\n`)
}
