const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** JSON as Go's encoder writes it: `<`, `>` and `&` escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] as string)
}

/** A decoded value, or the error text of Go's decoder. */
export type Decoded = { readonly value: unknown } | { readonly error: string }

/** Decodes the first JSON value of a body as Go does, with Go's words for what is wrong. */
export function decodeGoJson(text: string): Decoded {
  if (text.trim() === '') return { error: 'EOF' }
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    const message = (error as Error).message
    const position = Number(/at position (\d+)/.exec(message)?.[1] ?? Number.NaN)
    // Of a short text V8 names the character but not the position.
    const character = text[position] ?? /^Unexpected token '(.)'/su.exec(message)?.[1]
    if (character === undefined || /Unterminated string/.test(message)) return { error: 'unexpected EOF' }
    // Go reads one value and leaves the rest alone.
    if (/non-whitespace character after JSON/.test(message)) return decodeGoJson(text.slice(0, position))
    return { error: invalidCharacter(character, message) }
  }
}

function invalidCharacter(character: string, message: string): string {
  const quoted =
    character === "'" ? "'\\''" : character < ' ' ? `'${JSON.stringify(character).slice(1, -1)}'` : `'${character}'`
  return `invalid character ${quoted} ${placeOf(message)}`
}

/** Go names the place where V8 names what it expected. */
function placeOf(message: string): string {
  if (/property name/.test(message)) {
    return /':' after/.test(message) ? 'after object key' : 'looking for beginning of object key string'
  }
  if (/after property value/.test(message)) return 'after object key:value pair'
  if (/after array element/.test(message)) return 'after array element'
  if (/control character/.test(message)) return 'in string literal'
  return 'looking for beginning of value'
}

/** The word Go's decoder has for the kind of a JSON value. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return value === null ? 'null' : typeof value
}
