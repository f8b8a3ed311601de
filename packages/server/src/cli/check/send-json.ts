import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'

import { SurefootError } from '@surefoot/protocol'

/** A whole HTTP answer; `json` is `undefined` when it is none. */
export interface JsonReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly json: unknown
}

/** What to send where. */
export interface JsonRequest {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly signal: AbortSignal
}

/**
 * One request without any timeout of its own. Not `fetch`: its limit of 300 s to the first header ends calls that
 * merely wait for their turn.
 *
 * @throws SurefootError `SERVER_UNREACHABLE` when nothing answers; the signal's reason when it aborts.
 */
export function sendJson(url: string, { method, headers, body, signal }: JsonRequest): Promise<JsonReply> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(signal.aborted ? (signal.reason as Error) : unreachable(url, error))
    const send = new URL(url).protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(url, { method, headers: { ...headers, 'content-type': 'application/json' }, signal })
    request.on('error', fail)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('error', fail)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, json: parse(text) }),
      )
    })
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function unreachable(url: string, cause: Error): SurefootError {
  return new SurefootError(
    {
      code: 'SERVER_UNREACHABLE',
      message: `Cannot connect to the Surefoot server at ${new URL(url).origin}.`,
      hint: 'Check --url, and that `surefoot serve` is running there.',
    },
    { cause },
  )
}
