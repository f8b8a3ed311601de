import { TEST_SIZES, type ReliabilityEvent, type TestLoad, type TestSide } from './shared/demo-api.ts'
import type { TestOutcome } from './straight-client.ts'

/** How the two sides of the test ask. */
export interface ReliabilityDeps {
  /** Gets the model into memory: a load of minutes is no fault that the test is about. */
  readonly warmUp: () => Promise<unknown>
  readonly straight: (question: string, patienceMs: number, signal: AbortSignal) => Promise<TestOutcome>
  readonly surefoot: (question: string, signal: AbortSignal) => Promise<TestOutcome>
  readonly questions: readonly string[]
  /** How long the naive client bears silence; for questions at once the time of the line comes on top. */
  readonly patienceMs: number
}

/**
 * Asks 10 questions one after the other and 20 at once, first straight and then through Surefoot, and tells each
 * result as it comes.
 */
export async function runReliabilityTest(
  deps: ReliabilityDeps,
  emit: (event: ReliabilityEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const rates: Record<TestSide, number> = { straight: 0, surefoot: 0 }
  const questionAt = (index: number): string => deps.questions[index % deps.questions.length] as string

  emit({ type: 'warm-up' })
  await deps.warmUp()
  for (const side of ['straight', 'surefoot'] as const) {
    const outcomes: TestOutcome[] = []
    const ask = async (load: TestLoad, index: number, patienceMs: number): Promise<void> => {
      signal.throwIfAborted()
      const question = questionAt(index)
      const outcome = await (side === 'straight'
        ? deps.straight(question, patienceMs, signal)
        : deps.surefoot(question, signal))
      signal.throwIfAborted()
      outcomes.push(outcome)
      emit({ type: 'result', side, load, index, ...outcome })
    }

    emit({ type: 'phase', side, load: 'sequential', ...(side === 'straight' && { patienceMs: deps.patienceMs }) })
    for (let index = 0; index < TEST_SIZES.sequential; index++) await ask('sequential', index, deps.patienceMs)

    // Twenty at once wait in the backend's line: without time for that the straight side would fail for no fault.
    const patienceMs = deps.patienceMs + TEST_SIZES.concurrent * meanOf(outcomes.filter((outcome) => outcome.ok))
    emit({ type: 'phase', side, load: 'concurrent', ...(side === 'straight' && { patienceMs }) })
    const asked = Array.from({ length: TEST_SIZES.concurrent }, (_, index) => ask('concurrent', index, patienceMs))
    await Promise.all(asked)
    rates[side] = outcomes.filter((outcome) => outcome.ok).length / outcomes.length
  }
  emit({ type: 'end', rates })
}

function meanOf(outcomes: readonly TestOutcome[]): number {
  return outcomes.reduce((sum, outcome) => sum + outcome.tookMs, 0) / Math.max(1, outcomes.length)
}
