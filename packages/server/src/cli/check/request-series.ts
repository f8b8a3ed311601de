import { errorToSurefootError } from '../../http/errors.ts'
import { questionAt, SYSTEM } from './questions.ts'
import type { Target } from './target.ts'
import { secondsOf } from './summary.ts'

/** How one request ended. */
export interface RequestOutcome {
  readonly elapsedMs: number
  /** Absent when it was answered. */
  readonly problem?: { readonly message: string; readonly hint: string } | undefined
}

/** A series of requests and how it went. */
export interface Series {
  readonly outcomes: readonly RequestOutcome[]
  readonly totalMs: number
}

/** Asks `count` questions, `concurrency` at a time, with one line for each as it ends. Throws only when aborted. */
export async function runSeries(
  target: Target,
  { count, concurrency }: { readonly count: number; readonly concurrency: number },
  out: (line: string) => void,
  signal: AbortSignal,
): Promise<Series> {
  const outcomes: RequestOutcome[] = []
  const startedAtMs = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const outcome = await askOne(target, next++, signal)
      outcomes.push(outcome)
      out(`[${outcomes.length}/${count}] ${outcome.line}`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker))
  return { outcomes, totalMs: performance.now() - startedAtMs }
}

async function askOne(target: Target, index: number, signal: AbortSignal): Promise<RequestOutcome & { line: string }> {
  const startedAtMs = performance.now()
  try {
    const text = await target.ask(questionAt(index), SYSTEM, signal)
    const elapsedMs = performance.now() - startedAtMs
    return { elapsedMs, line: `ok ${secondsOf(elapsedMs)} "${beginningOf(text)}"` }
  } catch (error) {
    signal.throwIfAborted()
    const elapsedMs = performance.now() - startedAtMs
    const { message, hint } = errorToSurefootError(error)
    return { elapsedMs, problem: { message, hint }, line: `failed ${secondsOf(elapsedMs)} ${message}` }
  }
}

function beginningOf(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= 48 ? line : `${line.slice(0, 47).trimEnd()}…`
}
