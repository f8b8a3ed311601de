import { askInTurns } from '../callers/arrivals.ts'
import { mixedFaults } from '../ollama/request-fault.ts'
import { binomialQuantile } from './binomial.ts'
import { Sum, countText, createWorld, fleet, questions, scaled } from './scenario.ts'
import type { Scenario, Size } from './scenario.ts'

/** Three backends; that share of all attempts fails before the first byte, in every way there is. */
export function mixedFaultsScenario(share: number, fullCalls: number): Scenario {
  const percent = share * 100
  return {
    title: `3 backends, ${percent} % mixed faults before the first byte`,
    async run(size) {
      const sum = await runMixed(share, fullCalls, size, 'development')
      const measured = `${countText(sum.failed)} of ${countText(sum.summary.calls)} failed${sum.codes}`
      return sum.result(this.title, '0 failed', measured, sum.failed === 0)
    },
  }
}

/** The same, with exactly four attempts a call: chance alone decides. */
export function mixedFaultsGuideScenario(share: number, fullCalls: number): Scenario {
  return {
    title: `the same with preset guide, ${share * 100} %`,
    async run(size) {
      const sum = await runMixed(share, fullCalls, size, 'guide')
      const most = binomialQuantile(sum.summary.calls, share ** 4, 0.999)
      const measured = `${countText(sum.failed)} of ${countText(sum.summary.calls)} failed${sum.codes}`
      return sum.result(
        this.title,
        `≤ ${most} failed, the 99.9 % quantile of Binomial(N, p⁴)`,
        measured,
        sum.failed <= most,
      )
    },
  }
}

async function runMixed(share: number, fullCalls: number, size: Size, preset: 'development' | 'guide'): Promise<Sum> {
  const world = createWorld(size.seed, fleet(3, { tokenMs: 50 }), { preset })
  for (const ollama of world.ollamas) ollama.faults = mixedFaults(share)
  const random = world.random('questions')
  const next = questions(random, { meanTokens: 5, promptMs: 200 }, 0.5)
  await askInTurns(world, scaled(fullCalls, size), 3, () => random.exponential(100), next)
  const sum = new Sum()
  await sum.add(world)
  return sum
}
