import type { ErrorCode, SurefootError } from '@surefoot/protocol'

/** Mistakes of the caller that another model may not mind: it is installed, or has a larger window. */
const OF_THE_MODEL: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['MODEL_NOT_FOUND', 'CONTEXT_OVERFLOW'])
/** The call is over, whoever would answer it. */
const OF_THE_CALL: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['DEADLINE_EXCEEDED', 'SHUTTING_DOWN'])

/** Whether another way to answer may help when the model that was asked for failed so. */
export function mayMoveOn({ code, group }: SurefootError): boolean {
  return OF_THE_MODEL.has(code) || (group !== 'fix' && !OF_THE_CALL.has(code))
}

/** Whether something else than a model may answer: a prompt that is too long has to be mended, not talked over. */
export function mayDoWithoutModel({ code }: SurefootError): boolean {
  return code !== 'CONTEXT_OVERFLOW'
}
