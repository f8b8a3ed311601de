import { runTasks } from '../cli/run-tasks.ts'
import type { Task } from '../cli/task.ts'
import { countText } from '../scenarios/scenario.ts'
import { addSummary, emptySummary } from '../summary.ts'
import type { Proof } from './proof.ts'

const HOURS = 500
/** One seed is run so often. */
const ROUNDS = 10

/** Worlds of random shape with everything that can go wrong; and one of them ten times. */
export const randomWorlds: Proof = {
  title: `${HOURS} hours of random worlds`,
  async run({ scale, seed, threads }, signal) {
    const summary = emptySummary()
    const hashes = new Set<string>()
    const hours = Math.max(1, Math.round(HOURS * scale))
    const worlds = Array.from({ length: hours }, (_, hour): Task => ({ kind: 'chaos', seed: seed + hour, hours: 1 }))
    await runTasks(worlds, threads, (_, outcome) => addSummary(summary, summaryIn(outcome)), signal)
    const rounds = Array.from({ length: ROUNDS }, (): Task => ({ kind: 'chaos', seed, hours: 1 }))
    await runTasks(rounds, threads, (_, outcome) => hashes.add(summaryIn(outcome).hash), signal)
    const { calls, events, violations } = summary
    const first = violations[0] === undefined ? '' : `, the first in seed ${violations[0].seed}: ${violations[0].text}`
    const measured = `${violations.length} violations in ${summary.seeds} h, ${countText(calls)} calls, ${countText(events)} events${first}; ${ROUNDS} runs of one seed gave ${hashes.size} hash`
    const holds = violations.length === 0 && summary.seeds === hours && hashes.size === 1
    return { scenario: this.title, demanded: '0 violations, one seed gives one hash', measured, holds }
  },
}

function summaryIn(outcome: Parameters<Parameters<typeof runTasks>[2]>[1]): ReturnType<typeof emptySummary> {
  if (outcome instanceof Error) throw outcome
  if (outcome.kind !== 'chaos') throw new Error('A world was asked for')
  return outcome.summary
}
