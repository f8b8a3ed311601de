/** White space alone: no reader sees it, and a template may trim it at the end of a half answer. */
export function isBlank(text: string): boolean {
  // Most pieces end in a letter: that is seen without a search.
  const last = text.charCodeAt(text.length - 1)
  return !((last > 0x20 && last < 0x7f) || /\S/.test(text))
}
