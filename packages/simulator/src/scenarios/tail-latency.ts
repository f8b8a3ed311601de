import { RandomStream } from '../time/random-stream.ts'
import { quantile } from '../tally.ts'
import { Sum, betweenCallsMs, countText, createWorld, fleet, scaled } from './scenario.ts'
import type { Scenario } from './scenario.ts'

const BACKENDS = 3
const LOAD = 0.7
const TOKEN_MS = 1_000
const PROMPT_MS = 500
const MEAN_TOKENS = 9.5

interface Arrival {
  readonly atMs: number
  readonly tokens: number
}

/** The same arrivals for every policy: lengths with the spread of real answers. */
function drawArrivals(seed: number, count: number): Arrival[] {
  const random = RandomStream.forNames(seed, 'tail')
  const meanMs = betweenCallsMs(LOAD, BACKENDS, PROMPT_MS + MEAN_TOKENS * TOKEN_MS)
  let atMs = 0
  return Array.from({ length: count }, () => {
    atMs += random.exponential(meanMs)
    return { atMs, tokens: Math.max(1, Math.round(random.lognormal(MEAN_TOKENS, 1.2))) }
  })
}

/** What a balancer before Ollamas does: it chooses at arrival, and the call waits in line there. */
function playBalancer(arrivals: readonly Arrival[], choose: (waiting: readonly number[]) => number): number {
  const freeAtMs = new Float64Array(BACKENDS)
  const endsMs: number[][] = Array.from({ length: BACKENDS }, () => [])
  const took = arrivals.map(({ atMs, tokens }) => {
    for (const ends of endsMs) while (ends.length > 0 && (ends[0] as number) <= atMs) ends.shift()
    const index = choose(endsMs.map(({ length }) => length))
    const endMs = Math.max(atMs, freeAtMs[index] as number) + PROMPT_MS + tokens * TOKEN_MS
    freeAtMs[index] = endMs
    endsMs[index]?.push(endMs)
    return endMs - atMs
  })
  return quantile(took, 0.99)
}

/** The slowest of a hundred callers, against what other balancers make of the same calls. */
export const tailLatency: Scenario = {
  title: 'p99 latency at load 0.7 on 3 backends',
  async run(size) {
    const arrivals = drawArrivals(size.seed, scaled(200_000, size))
    let turn = 0
    const roundRobin = playBalancer(arrivals, () => turn++ % BACKENDS)
    const leastOutstanding = playBalancer(arrivals, (waiting) => waiting.indexOf(Math.min(...waiting)))
    const config = { deadlineMs: 86_400_000, queueTimeoutMs: 86_400_000, maxQueueLength: 1_000_000 }
    const world = createWorld(size.seed, fleet(BACKENDS, { tokenMs: TOKEN_MS }), config)
    let next = 0
    const askNext = (): void => {
      const arrival = arrivals[next++]
      if (arrival === undefined) return
      world.clock.at(arrival.atMs - world.clock.nowMs, () => {
        world.ask({ tokens: arrival.tokens, promptMs: PROMPT_MS, streamed: false })
        askNext()
      })
    }
    askNext()
    while (world.tally.calls < arrivals.length || world.callsOpen > 0) await world.run(600_000)
    const own = quantile(world.tally.answeredAfterMs, 0.99)
    const sum = new Sum()
    await sum.add(world)
    const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`
    const measured = `${seconds(own)}; round-robin ${seconds(roundRobin)} (${(roundRobin / own).toFixed(2)}×), least-outstanding ${seconds(leastOutstanding)} (${(leastOutstanding / own).toFixed(2)}×), ${countText(arrivals.length)} calls${sum.codes}`
    const holds = roundRobin >= 2 * own && leastOutstanding >= own && sum.failed === 0
    return sum.result(this.title, '≥ 2× better than round-robin, not worse than least-outstanding', measured, holds)
  },
}
