import { SurefootError } from '@surefoot/protocol'

import { foreignAnswerError, isTrpcError, saysJson } from './foreign-answer.ts'
import type { ClientFetch } from './options.ts'
import type { SdkRuntime } from './runtime/runtime.ts'
import { watchSilence } from './silence.ts'
import type { Pulse } from './silence.ts'
import { untilAborted } from './until-aborted.ts'
import { watchBody } from './watched-body.ts'

/** The way to one server. */
export interface Wire {
  /** As it may be shown to a person. */
  readonly endpoint: string
  readonly fetch: ClientFetch
  /** `undefined` where silence means nothing. */
  readonly silenceMs: number | undefined
  readonly pulse: Pulse
  readonly runtime: SdkRuntime
}

/**
 * A `fetch` whose failures are a `SurefootError` already: no connection, one that fell silent, one that was cut, an
 * answer of something else in the server's place. What a Surefoot server says passes untouched, its errors included.
 *
 * @param signal ends the request in place of the one in `init`. tRPC aborts that one at the regular end of a stream
 * too, which would cost every chat its kept-alive connection.
 */
export function guardFetch(wire: Wire, signal?: AbortSignal): ClientFetch {
  return async (url, init) => {
    const outer = signal ?? init.signal ?? undefined
    outer?.throwIfAborted()
    checkHeaders(init.headers)
    const request = new AbortController()
    const onAbort = (): void => request.abort(outer?.reason)
    outer?.addEventListener('abort', onAbort, { once: true })

    // Until it is answered, a request may wait in the browser for one of its six connections a host. While bytes come
    // in on the others the server lives, so the silence of all of them is what counts.
    let heard = (): number => wire.pulse.beats
    const { silenceMs } = wire
    const endWatch =
      silenceMs === undefined
        ? () => undefined
        : watchSilence(
            { silenceMs, heard: () => heard(), onDead: () => request.abort(silentError(wire.endpoint, silenceMs)) },
            wire.runtime,
          )
    const release = (): void => {
      endWatch()
      outer?.removeEventListener('abort', onAbort)
    }
    const failure = (error: unknown): unknown =>
      request.signal.aborted ? request.signal.reason : brokenError(wire, error)

    let response: Response
    try {
      response = await untilAborted(wire.fetch(url, { ...init, signal: request.signal }), request.signal)
    } catch (error) {
      release()
      if (request.signal.aborted) throw request.signal.reason
      throw SurefootError.is(error) ? error : unreachableError(wire, error)
    }
    wire.pulse.beats++
    if (response.body === null || (response.ok && !saysJson(response))) {
      release()
      // Nobody will read it, and unread it would hold the connection.
      response.body?.cancel().catch(() => undefined)
      throw foreignAnswerError(response, wire.endpoint)
    }

    let bytes = 0
    let reading = false
    heard = () => (reading ? bytes : ++bytes)
    const body = watchBody(response.body, {
      signal: request.signal,
      onRead(pending) {
        reading = pending
        if (!pending) {
          bytes++
          wire.pulse.beats++
        }
      },
      onEnd: release,
      failure,
    })
    const { status, statusText, headers } = response
    const watched = new Response(body, { status, statusText, headers })
    return response.ok ? watched : await readRefusal(watched, wire.endpoint)
  }
}

/** A refusal in tRPC's form passes; every other one becomes an error here, where its status is known. */
async function readRefusal(response: Response, endpoint: string): Promise<Response> {
  const text = await response.text()
  const body = parseJson(text)
  // The stream link understands a refusal only outside a list, though it asked for a list.
  const one: unknown = Array.isArray(body) ? body[0] : body
  if (!isTrpcError(one)) throw foreignAnswerError(response, endpoint)
  return new Response(JSON.stringify(one), { status: response.status, headers: response.headers })
}

/** A name or a value that HTTP does not allow makes fetch throw the same error as a network that is away. */
function checkHeaders(headers: RequestInit['headers']): void {
  try {
    void new Headers(headers)
  } catch {
    // The error of the platform quotes the value, which can be a key.
    throw new SurefootError({
      code: 'INVALID_REQUEST',
      message:
        'A header given to the client is not valid: its name or its value holds a character that HTTP does not allow.',
      hint: 'Names are letters, digits and dashes; values hold no line breaks and no letters beyond Latin-1.',
    })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreachableError(wire: Wire, cause: unknown): SurefootError {
  return new SurefootError(
    {
      code: 'SERVER_UNREACHABLE',
      message:
        `Cannot reach the Surefoot server at ${wire.endpoint}. Check that \`surefoot serve\` is running there and that ` +
        'the url is right.',
      hint: 'A page of another origin also needs `surefoot serve --cors-origin <origin of the page>`.',
    },
    { cause },
  )
}

function brokenError(wire: Wire, cause: unknown): SurefootError {
  return new SurefootError(
    {
      code: 'SERVER_UNREACHABLE',
      message: `The connection to the Surefoot server at ${wire.endpoint} broke off. Ask again.`,
      hint: 'Look at the log of the server, and of any proxy on the way.',
    },
    { cause },
  )
}

function silentError(endpoint: string, silenceMs: number): SurefootError {
  return new SurefootError(
    {
      code: 'SERVER_UNREACHABLE',
      message:
        `The Surefoot server at ${endpoint} has not sent a byte for ${silenceMs / 1000} s, though it gives a ` +
        'sign of life every 10 s. Check the network, and that no proxy holds answers back.',
    },
    { cause: new DOMException('Silent for too long', 'TimeoutError') },
  )
}

/** True when the connection was given up because it was silent: then the caller has waited long enough already. */
export function isSilence(error: SurefootError): boolean {
  return error.cause instanceof DOMException && error.cause.name === 'TimeoutError'
}
