/** A text that is repeated over fewer characters than this may be a habit of the model. */
const SHORTEST_REPEAT = 16

/**
 * Whether at the place where a text was gone on from, what stands before it stands after it once more. Models repeat
 * themselves; so a repetition counts only where the text that was not interrupted has none.
 *
 * @param atChar where it was gone on from.
 * @param whole the same text, never interrupted.
 */
export function isDoubledAt(text: string, atChar: number, whole: string): boolean {
  return repeatsAt(text, atChar) && !repeatsAt(whole, atChar)
}

function repeatsAt(text: string, atChar: number): boolean {
  const before = text.slice(0, atChar)
  const after = text.slice(atChar)
  if (after.length >= 32 && before.length >= 32 && after.startsWith(before.slice(0, 32))) return true
  for (let length = SHORTEST_REPEAT; length <= Math.min(before.length, after.length); length++) {
    if (after.startsWith(before.slice(-length))) return true
  }
  return false
}
