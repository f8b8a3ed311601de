/** The longest piece of a backend's own words that is passed on. */
const LONGEST_TEXT = 300

/**
 * The sentence in an Ollama error body: `{"error":"…"}`, OpenAI's `{"error":{"message":"…"}}`, llama-server's JSON inside
 * the string, or plain text.
 */
export function errorText(body: string): string {
  let value: unknown = body
  for (let depth = 0; depth < 4; depth++) {
    if (typeof value === 'string') {
      const parsed = parseObject(value)
      if (parsed === undefined) return value.trim()
      value = parsed
    }
    const fields = value as Record<string, unknown>
    const inner = fields['error'] ?? fields['message']
    if (inner === undefined || inner === null) return ''
    value = inner
  }
  return typeof value === 'string' ? value.trim() : ''
}

/** The fields of llama-server's error object nested in the body, where there is one. */
export function nestedError(body: string): Readonly<Record<string, unknown>> | undefined {
  const outer = parseObject(body)?.['error']
  const inner = typeof outer === 'string' ? parseObject(outer)?.['error'] : outer
  return typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : undefined
}

/** A Windows path may hold spaces; its end is the next colon, quote or line. */
const WINDOWS_PATH = /(?:(?<!\w)[A-Za-z]:|\\)\\[^"'`:*?<>|\n]*/g
/** Something with at least two slashes that does not go on a word, as the name of a model with its registry does. */
const PATH = /(?<![\w./\\])[/\\](?:[\w.@~+-]+[/\\])+[\w.@~+-]*/g

/** Where a refusal goes on with the schema that the caller sent, which can hold anything. */
const QUOTED_SCHEMA = /(JSON schema conversion failed|invalid format):.*?(?=; expected|$)/is

/**
 * A backend's words, safe to show: no path of its disk, no address with a password, nothing quoted from the request's
 * `format`, one line, not long.
 */
export function presentable(text: string): string {
  const clean = text
    .replace(QUOTED_SCHEMA, '$1')
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, '<address>')
    .replace(WINDOWS_PATH, '<path>')
    .replace(PATH, '<path>')
    .replace(/\s+/g, ' ')
    .trim()
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.trimStart().startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
