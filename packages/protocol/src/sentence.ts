import type { $ZodError } from 'zod/v4/core'

/** The first thing a validator found, as one readable sentence with the place it was found at. */
export function sentenceFromIssues(error: Pick<$ZodError, 'issues'>): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'The request is not valid.'
  const place = issue.path.reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path === '' ? String(key) : `${path}.${String(key)}`),
    '',
  )
  const text = issue.message.replace(/\.$/, '')
  const startsWithPlace = place !== '' && text.startsWith(place)
  return `${place === '' || startsWithPlace ? text.charAt(0).toUpperCase() + text.slice(1) : `In ${place}: ${text}`}.`
}
