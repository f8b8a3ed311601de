import type { ErrorCode } from '@surefoot/protocol'

/** What a status means, for answers that carry no error of ours. */
export const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'INVALID_REQUEST',
  422: 'INVALID_REQUEST',
  429: 'OVERLOADED',
  502: 'BACKEND_FAILED',
  503: 'OVERLOADED',
  504: 'RESPONSE_TIMEOUT',
}
