import { rungFor } from './rungs.ts'

/** What the mend of an overflow depends on; all in tokens. */
export interface Limits {
  readonly model: string
  /** Tokens of the prompt. */
  readonly needed: number
  /** Tokens for the answer. */
  readonly room: number
  /** The most that the model takes; absent where no backend tells. */
  readonly largest: number | undefined
  /** From this context on memory did not suffice. */
  readonly tooLargeFrom: number
}

/** What to do about a prompt that does not fit, with numbers. */
export function mendOf({ model, needed, room, largest = Number.POSITIVE_INFINITY, tooLargeFrom }: Limits): string {
  const enough = rungFor(needed, room, largest)
  if (enough === undefined) {
    return `${model} takes at most ${largest} tokens: shorten the conversation, or use a model that takes more.`
  }
  if (enough >= tooLargeFrom) {
    return `There is not enough memory for a context of ${tooLargeFrom} tokens: shorten the conversation, or use a smaller model.`
  }
  const most = Number.isFinite(largest) ? ` (this model can take ${largest})` : ''
  return `Raise options.num_ctx to at least ${enough}${most}, or shorten the conversation.`
}
