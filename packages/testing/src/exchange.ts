import type { Tally } from './counts.ts'
import type { Fault } from './fault.ts'
import type { Memory } from './memory.ts'
import type { CompleteModel } from './models.ts'
import type { CompleteSettings } from './options.ts'
import type { RandomSource } from './random.ts'
import type { Reply } from './reply.ts'
import type { Slots } from './slots.ts'

/** One request on its way to an answer. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly fault: Fault | undefined
  /** Aborts when the client is gone or the server dies. */
  readonly signal: AbortSignal
  readonly reply: Reply
  /** The body, as text. */
  readonly body: string
}

/** What all requests share. */
export interface World {
  readonly settings: () => CompleteSettings
  readonly tally: () => Tally
  readonly memory: Memory
  readonly slots: Slots
  readonly random: RandomSource
  /** Requests that a fault holds in silence; they make /api/ps of 0.32.15 hang too. */
  readonly stalled: Set<Exchange>
}

/** Finds a model by its name, with or without tag. */
export function findModel(world: World, name: string): CompleteModel | undefined {
  return world.settings().models.find((model) => model.name === name || model.name === `${name}:latest`)
}
