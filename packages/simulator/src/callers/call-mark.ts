/**
 * Several callers may ask the same, and core may answer them at once: then only the way in which one of them asks tells
 * whose request it is. Each says how long the model is to stay in memory, which decides no answer: as long as it stays
 * anyway, and the number of the call in millionths of a millisecond.
 */
export function markOf(id: number, keepAliveMs: number): string {
  return `${keepAliveMs}.${String(id).padStart(6, '0')}ms`
}

/** The number of the call whose mark it is. */
export function markedId(keepAlive: unknown): number | undefined {
  const digits = typeof keepAlive === 'string' ? /\.(\d{6,})ms$/.exec(keepAlive)?.[1] : undefined
  return digits === undefined ? undefined : Number(digits)
}
