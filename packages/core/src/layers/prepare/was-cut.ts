import type { ChatMessage } from '@surefoot/protocol'

/** What an answer says of the prompt it was made from. */
export interface CountedPrompt {
  /** `prompt_eval_count`: tokens of what was left of the prompt, what was cached included. */
  readonly count: number
  /** Tokens of context it had; absent where that cannot be found out. */
  readonly context: number | undefined
  readonly messages: readonly ChatMessage[]
  /** Of the whole request as printed. */
  readonly bytes: number
  readonly bytesPerToken: number
}

/** The words of a template around one message, in tokens, at the most. */
const WORDS_AROUND = 16
/** Texts of one model differ so much in bytes per token. */
const SPREAD = 1.5
/** A count so near to what is expected is not looked at twice. */
const NEAR = 1.05
/** No text has so many fewer tokens than is to be expected. */
const FAR = 2
const ROUND = 512

/**
 * Whether a prompt was cut before it was read, told by how many tokens were read.
 *
 * Ollama cuts in two ways. It leaves out the oldest messages, system messages and the last one apart, one by one and no
 * more than it must; and a last message that is too long alone it cuts so that the prompt fills the context exactly. So
 * it was cut when the count is that of a full context; or when without some of the oldest messages the count is more
 * likely than with all of them, and putting the last one left out back in would have been too much.
 */
export function wasCut({ count, context, messages, bytes, bytesPerToken }: CountedPrompt): boolean {
  if (context !== undefined && count >= context) return true
  let left = bytes
  const unlikelihood = (size: number): number => Math.abs(Math.log(Math.max(1, size) / count / bytesPerToken))
  const ofWhole = unlikelihood(left)
  if (ofWhole <= Math.log(NEAR)) return false
  // Whoever sets a context sets a round number. A context that was looked up later may be that of another load.
  const isFarLess = count * bytesPerToken * (context === undefined ? 1 : FAR) < left
  if (count % ROUND === 0 && isFarLess) return true
  for (const message of messages.slice(0, -1)) {
    if (message.role === 'system') continue
    const size = Buffer.byteLength(JSON.stringify(message))
    left -= size
    const wouldFit = context !== undefined && count + (size / bytesPerToken) * SPREAD + WORDS_AROUND <= context
    if (!wouldFit && unlikelihood(left) < ofWhole) return true
  }
  return false
}
