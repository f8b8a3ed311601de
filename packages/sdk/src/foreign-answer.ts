import { SurefootError } from '@surefoot/protocol'

import { CODE_BY_STATUS } from './code-by-status.ts'

/** The statuses by which a proxy or a gateway says clearly what it wants; every other one only says that it is no Surefoot. */
const TEXT_BY_STATUS: Readonly<Record<number, string>> = {
  401: 'wants a key, or another one',
  403: 'refuses this caller',
  413: 'refuses the request because it is too large',
  429: 'takes no more requests for now',
}

/** The error for an answer that does not come from a Surefoot server but from something in its place. */
export function foreignAnswerError(response: Response, endpoint: string): SurefootError {
  const retryAfterMs = retryAfterOf(response)
  const what = TEXT_BY_STATUS[response.status]
  return new SurefootError({
    code: what === undefined ? 'SERVER_UNREACHABLE' : (CODE_BY_STATUS[response.status] ?? 'SERVER_UNREACHABLE'),
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
