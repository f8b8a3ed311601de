import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import { mixedFaults, streamFaults } from '../ollama/request-fault.ts'
import type { FaultChance } from '../ollama/request-fault.ts'
import type { RandomStream } from '../time/random-stream.ts'
import type { World } from '../world.ts'

/** One thing that goes wrong with one backend, for a while. Returns what ends it. */
type Misfortune = (
  ollama: ModelledOllama,
  index: number,
  world: World,
  random: RandomStream,
) => (() => void) | undefined

const withFaults =
  (create: (random: RandomStream) => FaultChance[]): Misfortune =>
  (ollama, _index, _world, random) => {
    ollama.faults = create(random)
    return () => {
      ollama.faults = []
    }
  }

/** Everything that can happen, by the name that the trace shows. */
const MISFORTUNES: Readonly<Record<string, Misfortune>> = {
  restart: (_ollama, index, world, random) => {
    world.kill(index, random.between(200, 60_000))
    return undefined
  },
  'all restart': (_ollama, _index, world, random) => {
    world.ollamas.forEach((_, each) => world.kill(each, random.between(200, 20_000)))
    return undefined
  },
  frozen: (ollama) => {
    ollama.freeze()
    return () => ollama.thaw()
  },
  wedged: (ollama, index, world) => {
    ollama.wedge()
    return () => world.kill(index, 3_000)
  },
  slow: (ollama, _index, _world, random) => {
    ollama.slow = random.between(2, 10)
    return () => {
      ollama.slow = 1
    }
  },
  unreachable: (ollama) => {
    ollama.unreachable = true
    return () => {
      ollama.unreachable = false
    }
  },
  'black hole': withFaults((random) => {
    const afterMs = random.pick([5, 1_000, 4_000])
    return [{ fault: { kind: 'status', status: 500, text: 'internal server error', afterMs }, probability: 1 }]
  }),
  'takes no connection': withFaults(() => [{ fault: { kind: 'refuse' }, probability: 1 }]),
  'mixed faults': withFaults((random) => mixedFaults(random.between(0.02, 0.6))),
  'broken streams': withFaults((random) => streamFaults(random.between(0.02, 0.5))),
  hangs: withFaults((random) => [{ fault: { kind: 'hang' }, probability: random.between(0.05, 1) }]),
  'slow requests': withFaults((random) => [
    { fault: { kind: 'slow', factor: 8 }, probability: random.between(0.1, 0.5) },
  ]),
  'asks for patience': withFaults((random) => [
    {
      fault: { kind: 'status', status: 429, text: 'slow down', afterMs: 5, retryAfterS: random.whole(2, 20) },
      probability: random.between(0.2, 1),
    },
  ]),
  drip: withFaults(() => [{ fault: { kind: 'drip' }, probability: 1 }]),
  'out of memory': withFaults((random) => [
    { fault: { kind: 'break', atShare: random.pick([0, 0.5]), how: 'out-of-memory' }, probability: 0.2 },
  ]),
  'models expire': (ollama) => {
    ollama.expireAll()
    return undefined
  },
  'runner dies': (ollama) => {
    ollama.crashRunner(ollama.options.models[0]?.name ?? '')
    return undefined
  },
  'slots leak': (ollama) => {
    const { abortLagMs } = ollama
    ollama.abortLagMs = 60_000
    return () => {
      ollama.abortLagMs = abortLagMs
    }
  },
  'clock jumps': (_ollama, _index, { clock }, random) => {
    clock.jumpWallClock(random.pick([-3_600_000, 3_600_000]))
    return undefined
  },
}

/** Lets misfortunes befall the backends until that time; what has begun by then also ends by then. */
export function unleash(world: World, random: RandomStream, meanBetweenMs: number, untilMs: number): void {
  const names = Object.keys(MISFORTUNES)
  const next = (): void => {
    const delayMs = random.exponential(meanBetweenMs)
    if (world.clock.nowMs + delayMs >= untilMs) return
    world.clock.at(delayMs, () => {
      const name = random.pick(names)
      const index = random.whole(0, world.ollamas.length - 1)
      const lastsMs = Math.min(random.exponential(60_000), untilMs - world.clock.nowMs)
      world.note(name, index, Math.round(lastsMs))
      const end = MISFORTUNES[name]?.(world.ollamas[index] as ModelledOllama, index, world, random)
      if (end !== undefined) {
        world.clock.at(lastsMs, () => {
          world.note(`${name} ends`, index)
          end()
        })
      }
      next()
    })
  }
  next()
}
