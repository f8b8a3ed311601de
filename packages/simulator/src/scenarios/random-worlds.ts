import { runChaos } from '../chaos/chaos-world.ts'
import { addSummary, emptySummary, summaryOf } from '../summary.ts'
import { countText, scaled } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** Worlds of random shape with everything that can go wrong; and one of them ten times. */
export const randomWorlds: Scenario = {
  title: '500 hours of random worlds',
  async run(size) {
    const summary = emptySummary()
    const hours = scaled(500, size)
    for (let hour = 0; hour < hours; hour++) addSummary(summary, summaryOf(await runChaos(size.seed + hour, 1)))
    const hashes = new Set<string>()
    for (let round = 0; round < 10; round++) hashes.add(summaryOf(await runChaos(size.seed, 1)).hash)
    const { calls, events, violations } = summary
    const first = violations[0] === undefined ? '' : `, the first in seed ${violations[0].seed}: ${violations[0].text}`
    const measured = `${violations.length} violations in ${hours} h, ${countText(calls)} calls, ${countText(events)} events${first}; 10 runs of one seed gave ${hashes.size} hash`
    const demanded = '0 violations, one seed gives one hash'
    const holds = violations.length === 0 && hashes.size === 1
    return { rows: [{ scenario: this.title, demanded, measured, holds }], summary }
  },
}
