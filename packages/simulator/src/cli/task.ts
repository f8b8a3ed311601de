import { runChaos } from '../chaos/chaos-world.ts'
import { SCENARIOS } from '../scenarios/scenarios.ts'
import type { ScenarioResult } from '../scenarios/scenario.ts'
import { summaryOf } from '../summary.ts'
import type { Summary } from '../summary.ts'

/** A piece of work that a thread can do alone. */
export type Task =
  | { readonly kind: 'chaos'; readonly seed: number; readonly hours: number }
  | { readonly kind: 'scenario'; readonly name: string; readonly scale: number; readonly seed: number }

/** What came of it. */
export type TaskResult =
  | { readonly kind: 'chaos'; readonly summary: Summary }
  | { readonly kind: 'scenario'; readonly result: ScenarioResult; readonly tookMs: number }

export async function runTask(task: Task): Promise<TaskResult> {
  if (task.kind === 'chaos') return { kind: 'chaos', summary: summaryOf(await runChaos(task.seed, task.hours)) }
  const scenario = SCENARIOS[task.name]
  if (scenario === undefined) throw new Error(`There is no scenario ${task.name}`)
  const startedMs = performance.now()
  const result = await scenario.run({ scale: task.scale, seed: task.seed })
  return { kind: 'scenario', result, tookMs: performance.now() - startedMs }
}
