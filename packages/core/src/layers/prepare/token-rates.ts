import { BoundedMap } from '../../backends/bounded-map.ts'

/** Bytes per token of a model of which nothing was counted yet. */
export const USUAL_BYTES_PER_TOKEN = 4
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000
/** In a shorter prompt the words of the template count for too much. */
const FEWEST_TOKENS = 100
/** No text has so many bytes per token; the count of a part of a prompt looks like it. */
const MOST_BYTES = 16
/** Weight of what was counted before, for each prompt more. */
const KEPT = 0.8

/**
 * How many bytes of a request make one token of its prompt, learned from the counts of answers. Bytes and not characters:
 * three to five of them are a token in most scripts. Since Ollama 0.4.0 the count is that of the whole prompt, whatever
 * of it was cached (docs/discoveries/0002-which-ollama-refuses-a-long-prompt.md).
 */
export class TokenRates {
  readonly #counted = new BoundedMap<string, Counted>(MOST_MODELS)

  learn(model: string, bytes: number, tokens: number): void {
    if (tokens < FEWEST_TOKENS || bytes / tokens > MOST_BYTES) return
    const before = this.#counted.get(model)
    // Sums and not a mean of ratios: in a long prompt the words of the template weigh less.
    if (before === undefined) this.#counted.set(model, { bytes, tokens })
    else {
      before.bytes = before.bytes * KEPT + bytes
      before.tokens = before.tokens * KEPT + tokens
    }
  }

  /** `undefined` until a prompt was counted. */
  of(model: string): number | undefined {
    const counted = this.#counted.get(model)
    return counted && counted.bytes / counted.tokens
  }
}

interface Counted {
  bytes: number
  tokens: number
}
