import { askAtRandom } from '../callers/arrivals.ts'
import { quantile } from '../tally.ts'
import { Sum, betweenCallsMs, countText, createWorld, fleet, questions, scaled, shareText } from './scenario.ts'
import type { Scenario } from './scenario.ts'

const TOKEN_MS = 500
const PROMPT_MS = 500
const MEAN_TOKENS = 19
const HOLD_MS = PROMPT_MS + MEAN_TOKENS * TOKEN_MS
const BACKENDS = 3

/** Twice as much is asked for as can be done, for ten minutes. */
export const overload: Scenario = {
  title: '2× overload for 10 minutes, 3 backends',
  async run(size) {
    const sum = new Sum()
    const overloadMs = 600_000
    let usefulMs = 0
    const refusedAfterMs: number[] = []
    const refusedWithinCpuMs: number[] = []
    const rounds = scaled(20, size)
    for (let round = 0; round < rounds; round++) {
      const world = createWorld(size.seed + round, fleet(BACKENDS, { tokenMs: TOKEN_MS }))
      const mix = { meanTokens: MEAN_TOKENS, promptMs: PROMPT_MS, deadlineMs: 120_000 }
      const next = questions(world.random('questions'), mix, 0.5)
      world.onCallEnd((call) => {
        if (call.outcome !== 'answered') return
        // What was made before the ten minutes were over counts, the rest of a call that ends later does not.
        const endMs = world.clock.nowMs
        const holdMs = PROMPT_MS + call.expectedTokens * TOKEN_MS
        usefulMs += Math.max(0, Math.min(holdMs, overloadMs - (endMs - holdMs)))
      })
      const stop = askAtRandom(world, world.random('arrivals'), () => betweenCallsMs(2, BACKENDS, HOLD_MS), next)
      await world.run(overloadMs)
      stop()
      await sum.add(world)
      refusedAfterMs.push(...world.tally.refusedAfterMs)
      refusedWithinCpuMs.push(...world.tally.refusedWithinCpuMs)
    }
    const goodput = usefulMs / (overloadMs * BACKENDS * rounds)
    const { tokensDelivered, tokensForNobody } = sum.summary
    const wasted = tokensForNobody / Math.max(1, tokensForNobody + tokensDelivered)
    const [refusedMs, cpuMs] = [quantile(refusedAfterMs, 0.99), quantile(refusedWithinCpuMs, 0.99)]
    const measured = `goodput ${shareText(goodput)} of capacity; ${countText(refusedAfterMs.length)} refusals, p99 ${refusedMs.toFixed(1)} ms (${cpuMs.toFixed(2)} ms of CPU); ${shareText(wasted)} of tokens for nobody${sum.codes}`
    const demanded = 'goodput ≥ 90 %, refusals < 10 ms, ≤ 2 % of tokens for nobody'
    const holds = goodput >= 0.9 && refusedMs < 10 && cpuMs < 10 && wasted <= 0.02
    return sum.result(this.title, demanded, measured, holds)
  },
}

/** At load 0.8 everything stands still for two minutes; what happens in the ten minutes after is what counts. */
export const stall: Scenario = {
  title: '120 s stall at load 0.8, the ten minutes after it',
  async run(size) {
    const sum = new Sum()
    const [stallAtMs, stallMs, afterMs] = [600_000, 120_000, 600_000]
    let [calls, answered, attempts] = [0, 0, 0]
    for (let round = 0; round < scaled(50, size); round++) {
      const world = createWorld(size.seed + round, fleet(BACKENDS, { tokenMs: TOKEN_MS }))
      const mix = { meanTokens: MEAN_TOKENS, promptMs: PROMPT_MS, deadlineMs: 120_000 }
      const next = questions(world.random('questions'), mix, 0.5)
      world.onCallEnd((call) => {
        const sinceMs = call.startedMs - stallAtMs - stallMs
        if (sinceMs < 0 || sinceMs > afterMs) return
        calls++
        attempts += call.attempts
        if (call.outcome === 'answered') answered++
      })
      const stop = askAtRandom(world, world.random('arrivals'), () => betweenCallsMs(0.8, BACKENDS, HOLD_MS), next)
      await world.run(stallAtMs)
      for (const ollama of world.ollamas) ollama.freeze()
      await world.run(stallMs)
      for (const ollama of world.ollamas) ollama.thaw()
      await world.run(afterMs)
      stop()
      await sum.add(world)
    }
    const measured = `${shareText(answered / calls)} of ${countText(calls)}, ${(attempts / calls).toFixed(3)} attempts a call`
    const holds = answered / calls >= 0.95 && attempts / calls <= 1.2
    return sum.result(this.title, '≥ 95 %, ≤ 1.2 attempts a call', measured, holds)
  },
}
