const PIECE = /\s?[\p{L}\p{N}\p{M}']+|\s?[^\s\p{L}\p{N}\p{M}']|\s/gu

/** Splits a text into pieces of about a word each, a space leading as in a model's vocabulary; joined they are the text. */
export function splitIntoTokens(text: string): string[] {
  return text.match(PIECE) ?? []
}
