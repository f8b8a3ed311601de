import type { Call, CallContext } from '../../service.ts'
import type { Outgoing } from './outgoing.ts'

/** Room that is left for an answer where its caller names no `num_predict`, in tokens. */
const ROOM_FOR_ANSWER = 512
/** The smallest context that any Ollama ever gave by itself. */
const SMALLEST_CTX = 2_048
/** What a template adds of its own, in tokens, at the most. */
const WORDS_OF_TEMPLATE = 256

/** One call under guard. */
export interface GuardedCall {
  readonly call: Call
  readonly outgoing: Outgoing
  readonly context: CallContext
  /** Of the request as printed: a token is a byte at the least, so that this many and a few are surely enough. */
  readonly bytes: number
  /** As learned of its model; `undefined` until a prompt of it was counted. */
  readonly bytesPerToken: number | undefined
  /** Tokens for the answer. */
  readonly room: number
}

/** @param bytesPerToken as learned of its model. */
export function guardedCall(
  call: Call,
  outgoing: Outgoing,
  context: CallContext,
  bytesPerToken: number | undefined,
): GuardedCall {
  const limit = call.request.options?.['num_predict']
  const room = typeof limit === 'number' && limit > 0 ? limit : ROOM_FOR_ANSWER
  return { call, outgoing, context, bytes: outgoing.bytes, bytesPerToken, room }
}

/**
 * Whether the prompt may be longer than what is surely there. What images take is not known, and they are not counted.
 *
 * @param most that the model takes, in tokens, where that is known.
 */
export function mayOverflow(guarded: GuardedCall, most?: number): boolean {
  return guarded.bytes + WORDS_OF_TEMPLATE > surelyThere(guarded, most) && !hasImages(guarded.call)
}

/** The context that there is at the least, in tokens. @param most that the model takes, where that is known. */
export function surelyThere({ outgoing }: GuardedCall, most: number = Number.POSITIVE_INFINITY): number {
  return Math.min(outgoing.numCtx ?? SMALLEST_CTX, most)
}

/** So many tokens surely hold the prompt, as far as can be told. */
export function tokensAtMost({ bytes, bytesPerToken }: GuardedCall): number {
  // Texts of one model differ by half at the most.
  return bytesPerToken === undefined ? bytes + WORDS_OF_TEMPLATE : Math.ceil((bytes / bytesPerToken) * 1.5)
}

export function hasImages({ request }: Call): boolean {
  return request.messages.some(({ images }) => images !== undefined && images.length > 0)
}
