import type { Verdict } from '../outcome/verdict.ts'
import type { Roster } from './roster.ts'

/** The backends that were away when one call asked them last, and how that was seen. */
export type Absent = ReadonlyMap<string, NonNullable<Verdict['away']>>

/**
 * Wakes a call that sleeps between two attempts: with the name of a backend that was away and is back, or without one when
 * a backend that it has not tried may be asked now. The returned function ends it.
 */
export type AwaitReturn = (absent: Absent, hasUntried: () => boolean, wake: (backend?: string) => void) => () => void

/** While a call sleeps, its absent backends are looked after, also those whose breaker has not opened yet. */
export function createAwaitReturn(roster: Roster): AwaitReturn {
  const { fleet } = roster
  return (absent, hasUntried, wake) => {
    const stops: (() => void)[] = []
    for (const backend of fleet.backends) {
      const how = absent.get(backend.name)
      const stop = how && roster.of(backend).prober?.awaitReturn(how === 'seen', () => wake(backend.name))
      if (stop !== undefined) stops.push(stop)
    }
    if (!hasUntried()) {
      stops.push(
        fleet.onChange(() => {
          if (hasUntried()) wake()
        }),
      )
    }
    return () => {
      for (const stop of stops) stop()
    }
  }
}
