import type { RandomStream } from '../time/random-stream.ts'
import type { World } from '../world.ts'
import type { Question } from './question.ts'

/** Calls that come at random times, independent of how the earlier ones fare; the returned function ends it. */
export function askAtRandom(
  world: World,
  random: RandomStream,
  meanBetweenMs: () => number,
  next: () => Question,
): () => void {
  let ended = false
  const again = (): void => {
    world.clock.at(random.exponential(meanBetweenMs()), () => {
      if (ended) return
      world.ask(next())
      again()
    })
  }
  again()
  return () => {
    ended = true
  }
}

/** A number of callers who each ask again, after a pause, when they have been answered; resolves when all calls ended. */
export async function askInTurns(
  world: World,
  total: number,
  callers: number,
  pauseMs: () => number,
  next: () => Question,
): Promise<void> {
  let asked = 0
  const ask = (): void => {
    if (asked >= total) return
    asked++
    world.ask(next())
  }
  world.onCallEnd(() => world.clock.at(pauseMs(), ask))
  for (let caller = 0; caller < callers; caller++) world.clock.at(pauseMs(), ask)
  while (asked < total || world.callsOpen > 0) await world.run(60_000)
}

/** So many calls at random times; resolves when all have ended. */
export async function askManyAtRandom(
  world: World,
  total: number,
  meanBetweenMs: number,
  next: () => Question,
): Promise<void> {
  let asked = 0
  const stop = askAtRandom(
    world,
    world.random('arrivals'),
    () => meanBetweenMs,
    () => {
      if (++asked === total) stop()
      return next()
    },
  )
  while (asked < total || world.callsOpen > 0) await world.run(60_000)
}
