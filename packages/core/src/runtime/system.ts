import { performance } from 'node:perf_hooks'

import type { Runtime } from './runtime.ts'

/** The longest delay Node's timers take; above it they fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The real clock, timers and randomness; the only place in core that touches them. */
export const systemRuntime: Runtime = {
  clock: {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  },
  timers: {
    set(delayMs, fire, kind) {
      const timer = setTimeout(fire, Math.min(Math.max(delayMs, 0), LONGEST_DELAY_MS))
      if (kind === 'background') timer.unref()
      return { cancel: () => clearTimeout(timer) }
    },
  },
  random: { next: () => Math.random() },
}
