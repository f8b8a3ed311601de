import type { Runtime } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import { lookIntoMemory } from './memory-look.ts'
import type { Residency } from './model-state.ts'
import type { Roster } from './roster.ts'

/** Where work that nobody waits for may run. */
export interface SpareBackends {
  /** Nobody waits, and a backend that is well has nothing to do at all. */
  isThere(): boolean
  /** Whether such a one has the model in memory: found out anew, as nothing may be loaded and what is remembered may be old. */
  hasInMemory(model: string): Promise<boolean>
  /** Calls back when there may be one, until the returned function is called. */
  onChange(listener: () => void): () => void
}

/** The backends that are well and have nothing to do, as long as no call waits. */
export function createSpareBackends(roster: Roster, runtime: Runtime, isWaitedFor: () => boolean): SpareBackends {
  const { fleet } = roster
  const spare = (): readonly Backend[] => (isWaitedFor() ? [] : fleet.backends.filter(isSpare))
  return {
    isThere: () => spare().length > 0,
    async hasInMemory(model) {
      const residency = ({ models }: Backend): Residency => models.residency(model, runtime.clock.monotonicMs())
      // Where it was absent lately it is not looked for again and again.
      const looked = spare().filter((backend) => residency(backend) !== 'absent')
      await Promise.all(
        looked.map((backend) => lookIntoMemory(backend, model, roster.of(backend).connection.calls, runtime)),
      )
      return looked.some((backend) => residency(backend) === 'in-memory')
    },
    onChange: (listener) => fleet.onChange(listener),
  }
}

/**
 * It runs nothing, for no model, as its models share one machine; no load either. One that is being tried again after
 * failures is left to calls: what it says then decides whether it is used.
 */
export function isSpare(backend: Backend): boolean {
  const { draining, slots, breaker, suspect, liveness, loader } = backend
  if (draining || slots.held > 0 || loader?.current !== undefined) return false
  return breaker.state === 'closed' && suspect === undefined && liveness.wedged === undefined
}
