import { countText } from '../scenarios/scenario.ts'
import type { ResultRow } from '../scenarios/scenario.ts'
import { quantile } from '../tally.ts'
import { RandomStream } from '../time/random-stream.ts'
import { askAt } from './ask-at.ts'
import type { Arrival } from './ask-at.ts'
import { questionOf, startFleet } from './socket-fleet.ts'

const FIRST_TOKEN_MS = 4
const TOKEN_MS = 2
const MEAN_TOKENS = 20
const HOLD_MS = FIRST_TOKEN_MS + MEAN_TOKENS * TOKEN_MS
const BACKENDS = 3
const LOAD = 0.7
const LASTS_MS = 55_000

/** The slowest of a hundred callers, over real sockets: Surefoot and round-robin, the same calls at the same time. */
export async function tailLatencyOverSockets(seed: number): Promise<ResultRow> {
  const options = { slots: 1, firstTokenMs: FIRST_TOKEN_MS, tokensPerSecond: 1_000 / TOKEN_MS }
  await using fleet = await startFleet(BACKENDS, options, { slots: 1 })
  await using other = await startFleet(BACKENDS, options)
  const [own, roundRobin]: [number[], number[]] = [[], []]
  let turn = 0
  const arrivals = drawArrivals(seed)
  const surefoot = async ({ tokens }: Arrival): Promise<void> => {
    const startedAtMs = performance.now()
    await fleet.surefoot.chat(questionOf(tokens))
    own.push(performance.now() - startedAtMs)
  }
  const straight = async ({ tokens }: Arrival): Promise<void> => {
    const startedAtMs = performance.now()
    const messages = [{ role: 'user', content: questionOf(tokens) }]
    const body = JSON.stringify({ model: 'llama3.2', messages, stream: true })
    const url = other.ollamas[turn++ % BACKENDS]?.url
    await (await fetch(`${url}/api/chat`, { method: 'POST', body })).arrayBuffer()
    roundRobin.push(performance.now() - startedAtMs)
  }
  await askAt(arrivals, async (arrival) => {
    await Promise.all([surefoot(arrival), straight(arrival)])
  })
  const [ownMs, otherMs] = [quantile(own, 0.99), quantile(roundRobin, 0.99)]
  return {
    scenario: 'p99 latency at load 0.7 over real sockets, 3 backends',
    demanded: '≥ 2× better than round-robin',
    measured: `${ownMs.toFixed(0)} ms; round-robin ${otherMs.toFixed(0)} ms (${(otherMs / ownMs).toFixed(2)}×), ${countText(arrivals.length)} calls`,
    holds: otherMs >= 2 * ownMs,
  }
}

function drawArrivals(seed: number): Arrival[] {
  const random = RandomStream.forNames(seed, 'tail over sockets')
  const arrivals: Arrival[] = []
  for (let atMs = 0; atMs < LASTS_MS; atMs += random.exponential(HOLD_MS / BACKENDS / LOAD)) {
    arrivals.push({ atMs, tokens: Math.max(1, Math.round(random.lognormal(MEAN_TOKENS, 1.2))) })
  }
  return arrivals
}
