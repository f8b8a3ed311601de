import type { SurefootConfig } from '@surefoot/core'

import { askAtRandom } from '../callers/arrivals.ts'
import type { Question } from '../callers/question.ts'
import { DEFAULT_OLLAMA } from '../ollama/ollama-options.ts'
import type { OllamaOptions } from '../ollama/ollama-options.ts'
import type { TraceLine } from '../time/event-journal.ts'
import { RandomStream } from '../time/random-stream.ts'
import { World } from '../world.ts'
import type { WorldResult } from '../world.ts'
import { unleash } from './nemesis.ts'

/** The last part of every world is quiet: what was broken has to work again. */
const QUIET_MS = 600_000
/** After so much quiet, nothing may fail any more. */
const RECOVERED_AFTER_MS = 300_000
/** How a call may end, whatever happened before: its own time was too short, or too many came at once. */
const ALWAYS_POSSIBLE = new Set([
  'answered',
  'left',
  'INVALID_REQUEST',
  'DEADLINE_EXCEEDED',
  'QUEUE_FULL',
  'QUEUE_TIMEOUT',
  'OVERLOADED',
])

/** What one world of chaos is like; a function of its seed. */
interface Shape {
  readonly ollamas: readonly OllamaOptions[]
  readonly config: Omit<SurefootConfig, 'backends'>
  /** Share of the capacity that is asked for. */
  readonly load: number
  readonly meanTokens: number
  readonly promptMs: number
  readonly meanBetweenFaultsMs: number
}

/** Runs one world of random shape with random callers and random misfortunes, and checks it to its end. */
export async function runChaos(seed: number, hours: number, trace?: TraceLine): Promise<WorldResult> {
  const shape = drawShape(RandomStream.forNames(seed, 'shape'))
  const world = new World({ seed, ollamas: shape.ollamas, config: shape.config, trace })
  const totalMs = hours * 3_600_000
  const quietAtMs = Math.max(0, totalMs - QUIET_MS)
  unleash(world, world.random('nemesis'), shape.meanBetweenFaultsMs, quietAtMs)
  world.onCallEnd((call) => {
    if (call.startedMs < quietAtMs + RECOVERED_AFTER_MS || shape.load > 0.8) return
    if (!ALWAYS_POSSIBLE.has(call.outcome ?? '')) {
      world.report('I1', `call ${call.id} failed with ${call.outcome} long after all was well again`)
    }
  })
  const slots = shape.ollamas.reduce((sum, ollama) => sum + ollama.slots, 0)
  const holdMs = shape.promptMs + shape.meanTokens * (shape.ollamas[0]?.tokenMs ?? 1)
  const random = world.random('callers')
  const stop = askAtRandom(
    world,
    random,
    () => holdMs / slots / shape.load,
    () => drawQuestion(random, shape),
  )
  await world.run(totalMs)
  stop()
  return await world.finish()
}

function drawShape(random: RandomStream): Shape {
  const slots = random.pick([1, 1, 1, 2, 4])
  const count = random.pick([1, 2, 2, 3, 3, 3, 4, 5])
  const load = random.pick([0.2, 0.4, 0.6, 0.8, 1.5])
  const meanTokens = random.pick([6, 15, 30])
  const promptMs = random.between(100, 2_000)
  // Slow enough that an hour holds a thousand calls or two: more of the same would show nothing new.
  const holdMs = (load * slots * count) / random.between(0.15, 0.5)
  const tokenMs = Math.min(2_500, Math.max(50, (holdMs * 1_000 - promptMs) / meanTokens))
  const models = random.chance(0.25) ? ['llama3.2', 'qwen3'] : ['llama3.2']
  const prefill = random.chance(0.2) ? ('new-turn' as const) : ('continue' as const)
  const shared = {
    ...DEFAULT_OLLAMA,
    slots,
    version: random.chance(0.8) ? '0.32.15' : '0.24.0',
    models: models.map((name, index) => ({ name, digest: `d${index}`, loaded: random.chance(0.8), prefill })),
    mostModels: random.pick([1, 2, 3]),
    maxQueue: random.pick([4, 512]),
    loadMs: random.pick([1_000, 8_000, 90_000]),
    tokenMs,
  }
  return {
    ollamas: Array.from({ length: count }, (_, index) => ({ ...shared, url: `http://gpu-${index}:11434` })),
    config: {
      preset: random.pick(['development', 'development', 'production', 'guide']),
      slots,
      timeoutMs: random.pick([10_000, 30_000, 60_000]),
      waitForReadyMs: random.pick([0, 5_000, 30_000]),
      maxQueueLength: random.pick([5, 10_000]),
      deadlineMs: random.pick([60_000, 300_000, 900_000]),
    },
    load,
    meanTokens,
    promptMs,
    meanBetweenFaultsMs: random.pick([60_000, 180_000, 600_000]),
  }
}

function drawQuestion(random: RandomStream, { meanTokens, promptMs, ollamas }: Shape): Question {
  const models = ollamas[0]?.models ?? []
  return {
    tokens: Math.min(400, random.lognormal(meanTokens, 1.2)),
    streamed: random.chance(0.5),
    promptMs: promptMs * random.between(0.5, 1.5),
    limit: random.chance(0.1) ? random.whole(1, 20) : undefined,
    deadlineMs: random.chance(0.3) ? random.between(3_000, 120_000) : undefined,
    leavesAfterMs: random.chance(0.08) ? random.exponential(10_000) : undefined,
    readMs: random.chance(0.03) ? random.between(50, 2_000) : undefined,
    model: models.length > 1 && random.chance(0.3) ? models[1]?.name : undefined,
    isWrong: random.chance(0.01),
  }
}
