import type { BreakMode } from './shared/demo-api.ts'

/** The switch behind the page's break bar: breaks what lies between Surefoot and the models, and mends it again. */
export interface FaultSwitch {
  readonly mode: BreakMode
  set(mode: BreakMode): Promise<void>
  /** Requests for answers since the start, and how many of them were broken on purpose. */
  counts(): { readonly requests: number; readonly broken: number }
}

/** Says which requests are struck where every second one is: the first and then every other, so that one sees it at once. */
export interface Beat {
  strikes(): boolean
  /** The next one is struck. */
  restart(): void
}

/** One for all backends: whoever is struck and asks another backend gets an answer there. */
export function createBeat(): Beat {
  let count = 0
  return {
    strikes: () => count++ % 2 === 0,
    restart() {
      count = 0
    },
  }
}

/** Tokens of an answer that still arrive before a cut. */
export const TOKENS_BEFORE_CUT = 12

/**
 * One switch for several backends. Only the first one hangs: a silent backend is not asked again, because its work may
 * still be running, so that what helps is another one.
 */
export function combineFaults(switches: readonly FaultSwitch[]): FaultSwitch {
  let mode: BreakMode = 'none'
  return {
    get mode() {
      return mode
    },
    async set(wanted) {
      mode = wanted
      await Promise.all(switches.map((faults, index) => faults.set(wanted === 'hang' && index > 0 ? 'none' : wanted)))
    },
    counts() {
      const all = switches.map((faults) => faults.counts())
      return {
        requests: all.reduce((sum, counts) => sum + counts.requests, 0),
        broken: all.reduce((sum, counts) => sum + counts.broken, 0),
      }
    },
  }
}
