import { SurefootError } from '@surefoot/protocol'
import type { SurefootErrorFields } from '@surefoot/protocol'
import { TRPCError } from '@trpc/server'
import { $ZodError } from 'zod/v4/core'
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc'
import type { TRPC_ERROR_CODE_KEY, TRPC_ERROR_CODE_NUMBER } from '@trpc/server/rpc'

import { CLIENT_GONE_STATUS, errorToSurefootError, isAbort } from '../http/errors.ts'

/** An error as every tRPC client of the router gets it; `error.data.surefoot` rebuilds the `SurefootError`. */
export interface SurefootErrorShape {
  readonly message: string
  readonly code: TRPC_ERROR_CODE_NUMBER
  readonly data: {
    readonly code: TRPC_ERROR_CODE_KEY
    /** Also in streams, whose own status is always 200. */
    readonly httpStatus: number
    readonly path?: string | undefined
    readonly surefoot: SurefootErrorFields
  }
}

const KEY_BY_STATUS: Readonly<Record<number, TRPC_ERROR_CODE_KEY>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  // Overload: clients re-run the 5xx codes by themselves, which is the last thing an overloaded model needs.
  429: 'TOO_MANY_REQUESTS',
  499: 'CLIENT_CLOSED_REQUEST',
  502: 'BAD_GATEWAY',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
}

/** What a procedure throws: tRPC's class around ours, with the code that fits. */
export function errorToTrpcError(error: unknown): TRPCError {
  if (error instanceof TRPCError && error.code !== 'INTERNAL_SERVER_ERROR') return error
  const cause = error instanceof TRPCError ? (error.cause ?? error) : error
  if (isAbort(cause))
    return new TRPCError({ code: 'CLIENT_CLOSED_REQUEST', message: 'The caller ended the call.', cause })
  const known = errorToSurefootError(cause)
  return new TRPCError({ code: keyOf(known.httpStatus), message: known.message, cause: known })
}

/** tRPC's `errorFormatter`: typed, one readable sentence, never a stack. */
export function trpcErrorToShape(error: TRPCError, path?: string): SurefootErrorShape {
  const { known, httpStatus } = readError(error)
  const key = keyOf(httpStatus)
  return {
    message: known.message,
    code: TRPC_ERROR_CODES_BY_KEY[key],
    data: { code: key, httpStatus, ...(path !== undefined && { path }), surefoot: known.toJSON() },
  }
}

function readError(error: TRPCError): { known: SurefootError; httpStatus: number } {
  if (SurefootError.is(error.cause)) return { known: error.cause, httpStatus: error.cause.httpStatus }
  const refused = refusalOf(error)
  if (refused !== undefined) return refused
  const known = errorToSurefootError(error.cause ?? error)
  return { known, httpStatus: known.httpStatus }
}

/** What tRPC refuses by itself, in our words: its own texts quote the request. */
function refusalOf(error: TRPCError): { known: SurefootError; httpStatus: number } | undefined {
  const refuse = (code: SurefootErrorFields['code'], message: string, httpStatus: number) => ({
    known: new SurefootError({ code, message }),
    httpStatus,
  })
  switch (error.code) {
    case 'PARSE_ERROR':
    case 'BAD_REQUEST':
      if (error.cause instanceof SyntaxError) return refuse('INVALID_REQUEST', 'The input is not valid JSON.', 400)
      if (error.cause instanceof $ZodError) return undefined
      return refuse('INVALID_REQUEST', `The request is not a valid tRPC call: ${error.message}.`, 400)
    case 'NOT_FOUND':
      return refuse('NOT_FOUND', 'There is no such procedure.', 404)
    case 'METHOD_NOT_SUPPORTED':
      return refuse(
        'NOT_FOUND',
        'This procedure takes another method: chats are sent with POST, questions with GET.',
        405,
      )
    case 'UNSUPPORTED_MEDIA_TYPE':
      return refuse('INVALID_REQUEST', mediaTypeMessage(error), 415)
    case 'CLIENT_CLOSED_REQUEST':
      return refuse('INVALID_REQUEST', 'The caller ended the call.', CLIENT_GONE_STATUS)
    default:
      return undefined
  }
}

function mediaTypeMessage(error: TRPCError): string {
  return error.message.startsWith('Cannot use stream-like')
    ? 'This procedure answers with a stream: call it with httpBatchStreamLink.'
    : 'The Content-Type must be application/json.'
}

function keyOf(httpStatus: number): TRPC_ERROR_CODE_KEY {
  return KEY_BY_STATUS[httpStatus] ?? 'INTERNAL_SERVER_ERROR'
}
