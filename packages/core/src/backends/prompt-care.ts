/** How an Ollama treats a prompt that is longer than the context. */
export type PromptCare =
  /** It refuses one when asked to (`truncate: false`). */
  | 'refuses'
  /** It cuts it without a word; `prompt_eval_count` is what was left of it. */
  | 'cuts'
  /** It cuts it without a word, and `prompt_eval_count` leaves out what it had cached: nothing tells. */
  | 'cuts-unseen'

/** The first version whose chats know `truncate` (ollama#12582; see docs/discoveries/0002-which-ollama-refuses-a-long-prompt.md). */
const KNOWS_TRUNCATE = [0, 12, 6]
/** The first version whose `prompt_eval_count` is that of the whole prompt, cached or not. */
const COUNTS_WHOLE = [0, 4, 0]

/**
 * What a version of Ollama does with a prompt that does not fit.
 *
 * @param version as `/api/version` says it; one that is no number, as of a build of one's own, counts as new.
 */
export function promptCareOf(version: string): PromptCare {
  const numbers = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number)
  // 0.0.0 is what a build without a tag calls itself.
  if (numbers === undefined || numbers.every((number) => number === 0)) return 'refuses'
  if (!isBefore(numbers, KNOWS_TRUNCATE)) return 'refuses'
  return isBefore(numbers, COUNTS_WHOLE) ? 'cuts-unseen' : 'cuts'
}

function isBefore(version: readonly number[], other: readonly number[]): boolean {
  const at = version.findIndex((number, index) => number !== other[index])
  return at >= 0 && (version[at] as number) < (other[at] as number)
}
