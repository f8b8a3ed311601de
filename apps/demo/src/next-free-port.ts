/** How many ports after the wanted one are tried. */
const TRIES = 20

/** Opens on the wanted port, or on the next one that is free; port 0 takes any. */
export async function onNextFreePort<T>(wanted: number, open: (port: number) => Promise<T>): Promise<T> {
  const last = wanted === 0 ? 0 : Math.min(wanted + TRIES, 65_535)
  for (let port = wanted; ; port++) {
    try {
      return await open(port)
    } catch (error) {
      if (!isTaken(error) || port >= last) throw error
    }
  }
}

function isTaken(error: unknown): boolean {
  const code = (error as { code?: unknown; cause?: { code?: unknown } }).code
  const cause = (error as { cause?: { code?: unknown } }).cause?.code
  return [code, cause].some((found) => found === 'EADDRINUSE' || found === 'EACCES')
}
