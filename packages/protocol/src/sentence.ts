import type { $ZodError } from 'zod/v4/core'

/**
 * The first thing a validator found, as one readable sentence with the place it was found at. A field keeps its
 * spelling also at the beginning of the sentence: `keep_alive` is a name, and `Keep_alive` is none.
 */
export function sentenceFromIssues(error: Pick<$ZodError, 'issues'>): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'The request is not valid.'
  const text = issue.message.replace(/\.$/, '')
  if (issue.path.length === 0) return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
  const place = issue.path.reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path === '' ? String(key) : `${path}.${String(key)}`),
    '',
  )
  const field = String(issue.path.at(-1))
  return text.startsWith(`${field} `) ? `${place}${text.slice(field.length)}.` : `In ${place}: ${text}.`
}
