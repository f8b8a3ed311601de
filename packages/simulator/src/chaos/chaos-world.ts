import { askAtRandom } from '../callers/arrivals.ts'
import type { Question } from '../callers/question.ts'
import type { TraceLine } from '../time/event-journal.ts'
import { RandomStream } from '../time/random-stream.ts'
import { World } from '../world.ts'
import type { WorldResult } from '../world.ts'
import { askWith, drawCapabilities, withCapabilities } from './capabilities.ts'
import { unleash } from './nemesis.ts'
import { drawShape } from './shape.ts'
import type { Shape } from './shape.ts'

/** The last part of every world is quiet: what was broken has to work again. */
const QUIET_MS = 600_000
/** After so much quiet, nothing may fail any more. */
const RECOVERED_AFTER_MS = 300_000
/** A load may take so long that waiting for those who have the model is faster. */
const LONG_LOAD_MS = 10_000
/** One tenant asks for so much at once, so often. */
const MEAN_BETWEEN_FLOODS_MS = 300_000
const LONGEST_FLOOD = 40
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

/** Runs one world of random shape with random callers and random misfortunes, and checks it to its end. */
export async function runChaos(seed: number, hours: number, trace?: TraceLine): Promise<WorldResult> {
  const drawn = drawShape(RandomStream.forNames(seed, 'shape'))
  const ofCapabilities = RandomStream.forNames(seed, 'capabilities')
  const has = drawCapabilities(seed, ofCapabilities)
  const shape = has === undefined ? drawn : withCapabilities(drawn, has, ofCapabilities)
  const hasCapabilities = has !== undefined
  const world = new World({ seed, ollamas: shape.ollamas, config: shape.config, trace, hasCapabilities })
  const totalMs = hours * 3_600_000
  const quietAtMs = Math.max(0, totalMs - QUIET_MS)
  for (const ollama of world.ollamas) ollama.usualFaults = shape.usualFaults
  unleash(world, world.random('nemesis'), shape.meanBetweenFaultsMs, quietAtMs)
  world.onCallEnd((call) => {
    if (call.startedMs < quietAtMs + RECOVERED_AFTER_MS || shape.load > 0.8) return
    if (!ALWAYS_POSSIBLE.has(call.outcome ?? '') && !(has?.context === true && call.outcome === 'CONTEXT_OVERFLOW')) {
      world.report('I1', `call ${call.id} failed with ${call.outcome} long after all was well again`)
    }
  })
  const slots = shape.ollamas.reduce((sum, ollama) => sum + ollama.slots, 0)
  world.clock.at(quietAtMs, () => {
    for (const ollama of world.ollamas) ollama.usualFaults = []
    if (has !== undefined) world.note('quiet', -1)
  })
  if (has !== undefined && shape.load <= 0.8) {
    world.clock.at(quietAtMs + RECOVERED_AFTER_MS, () => world.expectWell())
  }
  if (isAlwaysInMemory(shape)) world.clock.at(quietAtMs + RECOVERED_AFTER_MS, () => world.expectCalm())
  const holdMs = shape.promptMs + shape.meanTokens * (shape.ollamas[0]?.tokenMs ?? 1)
  const random = world.random('callers')
  const next = (): Question => {
    const question = drawQuestion(random, shape)
    return has === undefined ? question : askWith(question, has, shape, ofCapabilities)
  }
  const stop = askAtRandom(world, random, () => holdMs / slots / shape.load, next)
  flood(world, shape, quietAtMs, (question) =>
    has === undefined ? question : askWith(question, has, shape, ofCapabilities),
  )
  await world.run(totalMs)
  stop()
  return await world.finish()
}

/** No call has to wait for a load once all is well. */
function isAlwaysInMemory({ ollamas, load }: Shape): boolean {
  return (
    load <= 0.8 &&
    ollamas.every(({ models, keepAliveMs, loadMs }) => {
      return models.length === 1 && keepAliveMs >= QUIET_MS / 2 && loadMs < LONG_LOAD_MS
    })
  )
}

/** One tenant asks for a great deal at once, now and then, until that time. */
function flood(world: World, shape: Shape, untilMs: number, asked: (question: Question) => Question): void {
  const [tenant] = shape.tenants
  if (tenant === undefined) return
  const random = world.random('floods')
  const again = (): void => {
    world.clock.at(random.exponential(MEAN_BETWEEN_FLOODS_MS), () => {
      if (world.clock.nowMs >= untilMs) return
      const calls = random.whole(1, LONGEST_FLOOD)
      world.note('flood', calls)
      for (let call = 0; call < calls; call++) world.ask({ ...asked(drawQuestion(random, shape)), tenant })
      again()
    })
  }
  again()
}

function drawQuestion(random: RandomStream, shape: Shape): Question {
  const { meanTokens, promptMs, ollamas, tenants, priorities } = shape
  const models = ollamas[0]?.models ?? []
  return {
    tokens: Math.min(400, random.lognormal(meanTokens, 1.2)),
    streamed: random.chance(0.5),
    promptMs: promptMs * random.between(0.5, 1.5),
    limit: random.chance(0.25) ? random.whole(1, 20) : undefined,
    deadlineMs: random.chance(0.3) ? random.between(3_000, 120_000) : undefined,
    leavesAfterMs: random.chance(shape.leavingShare) ? random.exponential(10_000) : undefined,
    readMs: random.chance(0.03) ? random.between(50, 2_000) : undefined,
    model: models.length > 1 && random.chance(0.3) ? models[1]?.name : undefined,
    isWrong: random.chance(shape.wrongShare),
    tenant: tenants.length === 0 ? undefined : random.pick(tenants),
    priority: priorities.length === 0 ? undefined : random.pick(priorities),
  }
}
