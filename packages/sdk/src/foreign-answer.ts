import { SurefootError } from '@surefoot/protocol'
import type { ErrorCode } from '@surefoot/protocol'

/** What a proxy, a gateway or another program means by a status, where that is clear. */
const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'OVERLOADED',
}

const TEXT_BY_CODE: Partial<Record<ErrorCode, string>> = {
  UNAUTHORIZED: 'wants a key, or another one',
  FORBIDDEN: 'refuses this caller',
  PAYLOAD_TOO_LARGE: 'refuses the request because it is too large',
  OVERLOADED: 'takes no more requests for now',
}

/** The error for an answer that does not come from a Surefoot server but from something in its place. */
export function foreignAnswerError(response: Response, endpoint: string): SurefootError {
  const code = CODE_BY_STATUS[response.status] ?? 'SERVER_UNREACHABLE'
  const retryAfterMs = retryAfterOf(response)
  const what = TEXT_BY_CODE[code]
  return new SurefootError({
    code,
    message:
      what === undefined
        ? `No Surefoot server answers at ${endpoint}: what came back has HTTP status ${response.status} and ${kindOf(response)}. ` +
          'Check the url, and any proxy on the way.'
        : `Something on the way to ${endpoint} ${what} (HTTP status ${response.status}).`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** True for an error as a tRPC server prints it. */
export function isTrpcError(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false
  const { error } = body
  return typeof error === 'object' && error !== null && 'message' in error && 'code' in error
}

/** True when the answer says it is JSON, or says nothing: some proxies drop the header. */
export function saysJson(response: Response): boolean {
  const type = response.headers.get('content-type')
  return type === null || type.includes('json')
}

function kindOf(response: Response): string {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim()
  if (type === undefined || type === '') return 'no content type'
  return type === 'text/html' ? 'is a web page' : `is ${type}`
}

/** Only the form in seconds: a date would need the clocks of both ends to agree. */
function retryAfterOf(response: Response): number | undefined {
  const value = response.headers.get('retry-after')
  return value !== null && /^\d{1,7}$/.test(value) ? Number(value) * 1000 : undefined
}
