/** Below this none is chosen, unless the model takes less: it is what Ollama gives by itself at the least. */
const SMALLEST_RUNG = 4_096

/**
 * The smallest rung of the ladder 4096, 8192, 16384 … that holds a prompt and an answer; `undefined` when none holds the
 * prompt. The last rung is the ceiling itself. Few sizes, as each change of the size costs a load.
 *
 * @param tokens of the prompt. @param room tokens for the answer. @param ceiling the largest that may be chosen.
 */
export function rungFor(tokens: number, room: number, ceiling: number): number | undefined {
  if (tokens >= ceiling) return undefined
  let rung = SMALLEST_RUNG
  while (rung < tokens + room && rung < ceiling) rung *= 2
  return Math.min(rung, ceiling)
}
