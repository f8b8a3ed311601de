import type { Task, TaskResult } from '../cli/task.ts'
import { Thread } from '../cli/thread.ts'
import type { PlantedFault } from './planted-fault.ts'
import { copySources } from './source-copy.ts'

/** Seeds that a fault may take, and how long each random world lasts. */
const SEEDS = 50
const HOURS = 0.4
/** A fault that makes a world endless is ended after this. */
const LONGEST_MS = 600_000

/** What became of one fault. */
export interface Hunted {
  readonly fault: PlantedFault
  /** What noticed it, and with which seed; `undefined` when nothing did. */
  readonly caught: { readonly by: string; readonly seed: number } | undefined
  readonly tookMs: number
}

/**
 * Plants a fault into a copy of the sources and simulates until something is noticed that the sources as they are do not
 * show with the same seed. @throws Error when it cannot be planted
 */
async function hunt(fault: PlantedFault, signal: AbortSignal): Promise<Hunted> {
  const startedMs = performance.now()
  await using copy = await copySources(fault)
  const [thread, sound] = [new Thread(copy.worker), new Thread()]
  const stop = (): void => void Promise.all([thread.end(), sound.end()])
  signal.addEventListener('abort', stop)
  const isOver = (): boolean => signal.aborted || performance.now() - startedMs >= LONGEST_MS
  const tooLong = setTimeout(stop, LONGEST_MS)
  try {
    for (let seed = 1; seed <= SEEDS && !isOver(); seed++) {
      for (const task of tasksOf(fault, seed)) {
        const by = whatShowed(await thread.ask(task))
        if (by === undefined || isOver()) continue
        if (whatShowed(await sound.ask(task)) !== undefined || isOver()) continue
        return { fault, caught: { by, seed }, tookMs: performance.now() - startedMs }
      }
    }
    return { fault, caught: undefined, tookMs: performance.now() - startedMs }
  } finally {
    clearTimeout(tooLong)
    signal.removeEventListener('abort', stop)
    await Promise.all([thread.end(), sound.end()])
  }
}

function tasksOf({ scenario }: PlantedFault, seed: number): Task[] {
  const chaos: Task = { kind: 'chaos', seed, hours: HOURS }
  return scenario === undefined ? [chaos] : [{ kind: 'scenario', ...scenario, seed }, chaos]
}

/** What is wrong with a world, in a few words. */
function whatShowed(outcome: TaskResult | Error): string | undefined {
  if (outcome instanceof Error) return `it broke: ${outcome.message.split('\n', 1)[0]}`
  if (outcome.kind === 'chaos') {
    const first = outcome.summary.violations[0]
    return first === undefined ? undefined : `${first.invariant}: ${first.text}`
  }
  const broken = outcome.result.rows.find(({ holds }) => !holds)
  return broken === undefined ? undefined : `${broken.scenario}: ${broken.measured}`
}

/** All of them, so many at a time. @throws Error when one cannot be planted any more */
export async function huntAll(
  faults: readonly PlantedFault[],
  threads: number,
  signal: AbortSignal,
  onDone: (hunted: Hunted) => void,
): Promise<void> {
  const left = [...faults]
  const lane = async (): Promise<void> => {
    for (let fault = left.shift(); fault !== undefined && !signal.aborted; fault = left.shift()) {
      const hunted = await hunt(fault, signal)
      if (!signal.aborted) onDone(hunted)
    }
  }
  await Promise.all(Array.from({ length: threads }, lane))
}
