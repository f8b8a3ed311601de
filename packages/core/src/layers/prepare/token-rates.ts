import { BoundedMap } from '../../backends/bounded-map.ts'

/** Bytes per token of a model of which nothing was counted yet. */
export const USUAL_BYTES_PER_TOKEN = 4
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000
/** In a shorter prompt the words of the template count for too much. */
const FEWEST_TOKENS = 100
/** No text has so many bytes per token; the count of a part of a prompt looks like it. */
const MOST_BYTES = 16
/** Weight of the latest prompt in the running mean. */
const WEIGHT = 0.2

/**
 * How many bytes of a request make one token of its prompt, learned from the counts of answers. Bytes and not characters:
 * three to five of them are a token in most scripts. Since Ollama 0.4.0 the count is that of the whole prompt, whatever
 * of it was cached (docs/discoveries/0002-which-ollama-refuses-a-long-prompt.md).
 */
export class TokenRates {
  readonly #bytesPerToken = new BoundedMap<string, number>(MOST_MODELS)

  learn(model: string, bytes: number, tokens: number): void {
    if (tokens < FEWEST_TOKENS || bytes / tokens > MOST_BYTES) return
    const mean = this.#bytesPerToken.get(model)
    this.#bytesPerToken.set(model, mean === undefined ? bytes / tokens : mean + (bytes / tokens - mean) * WEIGHT)
  }

  /** `undefined` until a prompt was counted. */
  of(model: string): number | undefined {
    return this.#bytesPerToken.get(model)
  }
}
