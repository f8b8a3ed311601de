/** What one line says, told by somebody who has the whole of it: the kind, and what of it a reader sees. */
export type NaiveLine = readonly [kind: 'delta' | 'final' | 'error' | 'bad', ...seen: unknown[]]

/** The lines of a stream, read when all of it is there. Latin-1 keeps every byte as one character. */
export function naiveLines(bytes: Buffer): string[] {
  return bytes
    .toString('latin1')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line !== '')
}

/** The same rules as `readChatLine`, said the other way round: what a line must not be. */
export function naiveRead(line: string): NaiveLine {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(line, 'latin1').toString())
  } catch {
    return ['bad']
  }
  if (Object(value) !== value) return ['bad']
  const { error, message, done, done_reason: reason } = value as Record<string, unknown>
  if (error !== undefined && error !== null) return ['error', typeof error]
  const { content, thinking, tool_calls: calls } = Object(message) as Record<string, unknown>
  const texts = [content, thinking === undefined ? '' : thinking, reason ?? '']
  const isWrong =
    texts.some((each) => typeof each !== 'string') ||
    (calls !== undefined && !Array.isArray(calls)) ||
    typeof (done ?? false) !== 'boolean' ||
    (done ?? reason ?? undefined) === undefined
  if (isWrong) return ['bad']
  return [done === true || (reason ?? '') !== '' ? 'final' : 'delta', content, thinking, calls]
}
