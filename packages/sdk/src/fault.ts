import { ERROR_CODES, SurefootError, surefootErrorFromJson } from '@surefoot/protocol'

import { CODE_BY_STATUS } from './code-by-status.ts'

/** Why a call failed, and who says so. */
export interface Fault {
  readonly error: SurefootError
  /** The server answered with it; otherwise it was found out here. */
  readonly fromServer: boolean
}

/** What a tRPC client throws for an error that the server sent. */
interface SentError {
  readonly message: string
  readonly data: { readonly httpStatus?: unknown; readonly surefoot?: unknown }
}

/** The caller's going away, as a server reports it. */
const CLIENT_CLOSED_REQUEST = 499

/** Makes out of whatever a tRPC call threw the error that the server meant, or says what happened on the way. */
export function errorToFault(error: unknown, endpoint: string): Fault {
  if (isSent(error)) return { error: sentToError(error, endpoint), fromServer: true }
  const cause = error instanceof Error && error.name === 'TRPCClientError' ? error.cause : error
  if (SurefootError.is(cause)) return { error: cause, fromServer: false }
  return {
    error: new SurefootError(
      {
        code: 'SERVER_UNREACHABLE',
        message: `What answers at ${endpoint} does not speak as a Surefoot server does. Check the url, and any proxy on the way.`,
      },
      { cause: error },
    ),
    fromServer: false,
  }
}

/** The error for an answer that had begun and will not come to its end. */
export function interruptedError(endpoint: string, cause: unknown): SurefootError {
  return new SurefootError(
    {
      code: 'STREAM_INTERRUPTED',
      message: `The answer of the Surefoot server at ${endpoint} broke off before its end. Ask again.`,
      hint: SurefootError.is(cause) ? cause.message : ERROR_CODES.STREAM_INTERRUPTED.hint,
    },
    { cause },
  )
}

function isSent(error: unknown): error is SentError {
  if (!(error instanceof Error) || error.name !== 'TRPCClientError' || !('data' in error)) return false
  return typeof error.data === 'object' && error.data !== null
}

function sentToError({ message, data }: SentError, endpoint: string): SurefootError {
  // We did not go away, so something on the way did in our name.
  if (data.httpStatus === CLIENT_CLOSED_REQUEST) return interruptedError(endpoint, undefined)
  const known = surefootErrorFromJson(data.surefoot)
  if (known !== undefined) return known
  // An older server, or another router: its errors do not carry ours.
  return new SurefootError({ code: CODE_BY_STATUS[Number(data.httpStatus)] ?? 'INTERNAL', message })
}
