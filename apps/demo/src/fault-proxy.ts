import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'

import { authorization, isSameModel } from './choose-backend.ts'
import { TOKENS_BEFORE_CUT, type Beat, type FaultSwitch } from './fault-switch.ts'
import type { BreakMode } from './shared/demo-api.ts'
import { shownUrl } from './shown-url.ts'

/** A proxy on loopback in front of an Ollama, because a real one does not break when one asks it to. */
export interface FaultProxy extends FaultSwitch, AsyncDisposable {
  readonly url: string
}

/** What a proxy is told. */
export interface FaultProxyOptions {
  /** The model that does not fit into memory any more in the mode `no-memory`. */
  readonly model: string
  readonly beat: Beat
}

const LINE_END = 0x0a
/** Answers limited to so few tokens are not cut. */
const SHORT_TOKENS = 24
const ANSWERS = new Set(['/api/chat', '/api/generate', '/v1/chat/completions'])
/** What Ollama says of a model that does not fit; with status 500. */
const NO_MEMORY = 'model requires more system memory (5.6 GiB) than is available (3.1 GiB)'

/** Opens a proxy to one Ollama. Without a fault it hands every byte on and keeps nothing back. */
export async function createFaultProxy(target: string, { model, beat }: FaultProxyOptions): Promise<FaultProxy> {
  const sockets = new Set<Socket>()
  let mode: BreakMode = 'none'
  let requests = 0
  let broken = 0

  const strikes = (): boolean => {
    const isStruck = beat.strikes()
    if (isStruck) broken++
    return isStruck
  }
  const server = createServer((request, response) => {
    if (mode === 'no-memory' && request.url === '/api/ps') return void passWithout(model, target, response)
    if (!ANSWERS.has(request.url ?? '')) return pass(target, request, response)
    requests++
    if (mode === 'none' || mode === 'refuse') pass(target, request, response)
    else if (mode === 'cut') {
      const passOn = (body: Buffer): void =>
        pass(target, request, response, { body, isCut: isNewAnswer(body) && strikes() })
      buffer(request).then(passOn, () => request.socket.destroy())
    } else if (mode === 'no-memory') {
      const passOrRefuse = (body: Buffer): void => {
        if (!isFor(model, body)) return pass(target, request, response, { body })
        broken++
        sendJson(response, 500, { error: NO_MEMORY })
      }
      buffer(request).then(passOrRefuse, () => request.socket.destroy())
    } else if (!strikes()) pass(target, request, response)
    else if (mode === 'every-second') request.socket.resetAndDestroy()
    // A hang takes the question and keeps the connection; it ends when the other side has had enough.
    else request.resume()
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
      beat.restart()
      if (wanted === 'refuse' && server.listening) await close()
      else if (wanted !== 'refuse' && !server.listening) await listen(port)
    },
    counts: () => ({ requests, broken }),
    async [Symbol.asyncDispose]() {
      if (server.listening) await close()
    },
  }
}

/**
 * Whether a request asks for an answer of its own. What goes on from a half answer is the cure for a cut and no second
 * case of it, and short answers are how Surefoot finds out whether a model can do that.
 */
function isNewAnswer(body: Buffer): boolean {
  try {
    const { messages, raw, options, ...more } = JSON.parse(body.toString()) as Record<string, unknown>
    const last = Array.isArray(messages) ? (messages.at(-1) as { role?: unknown } | undefined) : undefined
    const { num_predict: limit } = (options ?? {}) as { num_predict?: unknown }
    const isShort = typeof limit === 'number' && limit > 0 && limit <= SHORT_TOKENS
    return (
      last !== undefined && last.role !== 'assistant' && raw !== true && !isShort && more['_debug_render_only'] !== true
    )
  } catch {
    return false
  }
}

/** Whether a request is for this model: a question, or an empty one that only loads it. */
function isFor(model: string, body: Buffer): boolean {
  try {
    const { model: wanted } = JSON.parse(body.toString()) as { model?: unknown }
    return typeof wanted === 'string' && isSameModel(wanted, model)
  } catch {
    return false
  }
}

/** Hands on the list of the models in memory, without the one that does not fit. */
async function passWithout(model: string, target: string, response: ServerResponse): Promise<void> {
  try {
    const answer = await fetch(`${shownUrl(target)}/api/ps`, { headers: authorization(target) })
    const { models } = (await answer.json()) as { models: readonly { name: string }[] }
    sendJson(response, answer.status, { models: models.filter(({ name }) => !isSameModel(name, model)) })
  } catch {
    response.destroy()
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

/** What `pass` is told besides. */
interface PassOptions {
  /** The request's body, where it was read already. */
  readonly body?: Buffer
  /** The answer breaks off after some of its lines, at the latest before its end. */
  readonly isCut?: boolean
}

/** Hands a request on. */
function pass(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  { body, isCut = false }: PassOptions = {},
): void {
  const url = new URL(`${target}${request.url ?? '/'}`)
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = { ...request.headers, host: url.host }
  const upstream = open(url, { method: request.method, headers })
  // To the caller a failing Ollama looks as if there were no proxy: the connection ends, nothing is made up.
  const fail = (): void => void request.socket.resetAndDestroy()
  upstream.on('error', fail)
  upstream.on('response', (answer) => {
    let lines = 0
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', fail)
    answer.on('data', (chunk: Buffer) => {
      if (isCut) {
        const cutAt = endOfLine(chunk, TOKENS_BEFORE_CUT - lines)
        lines += chunk.reduce((sum, byte) => sum + Number(byte === LINE_END), 0)
        if (cutAt !== undefined || chunk.includes('"done":true')) {
          answer.pause()
          return endAfter(response, chunk.subarray(0, cutAt ?? 0), () => request.socket.destroySoon())
        }
      }
      if (!response.write(chunk)) {
        answer.pause()
        response.once('drain', () => answer.resume())
      }
    })
    answer.on('end', () => response.end())
  })
  response.on('close', () => upstream.destroy())
  if (body === undefined) request.pipe(upstream)
  else upstream.end(body)
}

/** Not right after a write: what is written in the same turn would be lost. */
function endAfter(response: ServerResponse, part: Buffer, end: () => void): void {
  if (part.length === 0) end()
  else response.write(part, end)
}

/** Where the line with this number (1 is the first one) ends; `undefined` when it is not in here. */
function endOfLine(chunk: Buffer, line: number): number | undefined {
  let at = -1
  for (let count = 0; count < line; count++) {
    at = chunk.indexOf(LINE_END, at + 1)
    if (at === -1) return undefined
  }
  return at + 1
}
