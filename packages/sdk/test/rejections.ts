import { onTestFinished } from 'vitest'

/** Collects what Node would end the process for. */
export function watchRejections(): unknown[] {
  const seen: unknown[] = []
  const onRejection = (reason: unknown): void => void seen.push(reason)
  process.on('unhandledRejection', onRejection)
  onTestFinished(() => void process.off('unhandledRejection', onRejection))
  return seen
}

/** Resolves once `isTrue` holds; the test's own time limit ends the wait. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2))
}
