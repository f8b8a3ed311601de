import { SurefootError } from '@surefoot/protocol'

import type { Attempted, Failure } from './failure.ts'
import type { Verdict } from './verdict.ts'

/** Codes of Node and undici that mean: no connection was made, so nothing was sent. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** Codes that mean: there was a connection, and it broke. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** Codes that mean: what came back was not HTTP. */
const NOT_HTTP = /^(HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|ERR_SSL_)/

/** A refused connection needs a moment to come back; an instant retry would only be refused again. */
const REFUSED_SAME_AFTER_MS = 10

/** Judges a connection that could not be made, broke, or spoke no HTTP (F24, F34, F36 of the reliability reference). */
export function networkVerdict(failure: Failure & { kind: 'network' }, attempted: Attempted): Verdict {
  const { backend } = attempted
  const code = causeCode(failure.cause)
  if (failure.gotToken) {
    const error = new SurefootError({
      code: 'STREAM_INTERRUPTED',
      message: `The connection to Ollama at ${backend} broke in the middle of the answer.`,
      backend,
    })
    return {
      class: 'stream',
      error,
      cheap: false,
      retry: 'anywhere',
      prompt: true,
      staleSockets: true,
      memoryLost: 'all',
    }
  }
  if (NOT_HTTP.test(code) || isParserError(failure.cause)) {
    const error = new SurefootError({
      code: 'BAD_RESPONSE',
      message: `What answers at ${backend} does not speak HTTP.`,
      backend,
    })
    return { class: 'node', error, cheap: false, retry: 'anywhere', prompt: true }
  }
  const refused = NOT_CONNECTED.has(code)
  const error = new SurefootError(
    {
      code: 'CANNOT_CONNECT',
      message: `Cannot connect to Ollama at ${backend}${refused ? '' : ': the connection was closed before an answer came'}`,
      hint: hintFor(code, backend),
      backend,
    },
    { cause: failure.cause },
  )
  return {
    class: 'connect',
    error,
    cheap: !failure.gotBytes,
    retry: 'anywhere',
    prompt: true,
    staleSockets: !refused,
    away: refused ? 'seen' : 'maybe',
    memoryLost: 'all',
    ...(refused && { sameAfterMs: REFUSED_SAME_AFTER_MS }),
  }
}

/** Whether nobody is there; who answers late, or something else than asked for, is. */
export function isAway(cause: unknown): boolean {
  const code = causeCode(cause)
  return NOT_CONNECTED.has(code) || BROKEN.has(code)
}

/** The code of an error, also of one inside an AggregateError (one for each address tried) or behind `cause`. */
function causeCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  const { code, errors, cause } = error as { code?: unknown; errors?: unknown; cause?: unknown }
  if (typeof code === 'string' && code !== '') return code
  if (Array.isArray(errors) && errors.length > 0) return causeCode(errors[0])
  return cause === undefined ? '' : causeCode(cause)
}

function isParserError(error: unknown): boolean {
  return error instanceof Error && error.name === 'HTTPParserError'
}

function hintFor(code: string, backend: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The host name in ${backend} is not known here; correct OLLAMA_BASE_URL.`
  }
  if (code.includes('CERT')) return `The TLS certificate of ${backend} is not trusted here.`
  return `Start Ollama with \`ollama serve\`, check it with \`curl ${backend}/api/tags\`, or correct OLLAMA_BASE_URL.`
}
