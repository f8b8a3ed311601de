import { markedId } from '../callers/call-mark.ts'
import { QUESTION } from '../callers/prompt.ts'
import type { Exchange } from '../wire/exchange.ts'

/** What a request on the wire says of itself. */
export interface WireRequest {
  /** The call it belongs to; absent for one that no caller caused. */
  readonly callId: number | undefined
  readonly model: string
  /** It goes on with a half answer. */
  readonly isContinued: boolean
  /** It asks a caller's question, but not for the caller: the copy of an experiment. */
  readonly isCopy: boolean
  readonly numCtx: number | undefined
}

interface Body {
  readonly model?: string
  readonly messages?: readonly { readonly role: string; readonly content: string }[]
  readonly prompt?: string
  readonly keep_alive?: string
  readonly options?: { readonly num_ctx?: number }
  readonly _debug_render_only?: boolean
}

/** Reads a request to a model; `undefined` for other ones. @param isMarked calls are told by their marks */
export function readWireRequest({ path, body: bytes }: Exchange, isMarked: boolean): WireRequest | undefined {
  if (bytes === null || (path !== '/api/chat' && path !== '/api/generate')) return undefined
  const body = JSON.parse(bytes.toString()) as Body
  const { messages = [], prompt, model = '', options } = body
  const question = prompt ?? messages.findLast(({ role }) => role === 'user')?.content ?? ''
  // It only asks how its prompt would read: a part of a proof.
  const isCallers = body._debug_render_only !== true && question.includes(QUESTION)
  const callId = !isCallers ? undefined : isMarked ? markedId(body.keep_alive) : numberIn(question)
  return {
    callId,
    model,
    isContinued: prompt !== undefined || messages.at(-1)?.role === 'assistant',
    isCopy: isCallers && callId === undefined,
    numCtx: options?.num_ctx,
  }
}

function numberIn(question: string): number {
  return Number.parseInt(question.slice(question.indexOf(QUESTION) + QUESTION.length), 10)
}
