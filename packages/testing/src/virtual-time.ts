import { createSeededRandom, type RandomSource } from './random.ts'

/** Time that passes only when a test says so. */
export interface VirtualTime {
  readonly clock: {
    /** The virtual wall clock, in ms since 1970. */
    nowMs(): number
    /** The virtual monotonic clock, in ms since this time was made. */
    monotonicMs(): number
  }
  readonly timers: {
    /**
     * Calls `fire` once, `delayMs` of virtual time from now; a negative delay counts as 0. `runUntilIdle` does not wait
     * for a `background` one.
     */
    set(delayMs: number, fire: () => void, kind?: 'background'): { cancel(): void }
  }
  readonly random: RandomSource
  /** Timers that are set and have neither fired nor been cancelled. */
  readonly pendingTimers: number
  /** Lets `ms` pass: fires what is due in order of time, then of setting, and lets promises settle after each. */
  advance(ms: number): Promise<void>
  /** Jumps from timer to timer until only `background` ones are left; throws after `maxTimers` (default 100000), as one may re-arm for ever. */
  runUntilIdle(maxTimers?: number): Promise<void>
}

/** Where a virtual time starts. */
export interface VirtualTimeOptions {
  /** Wall clock at the start, in ms since 1970. @default 1_800_000_000_000 */
  startAtMs?: number
  /** Seed of `random`. @default 1 */
  seed?: number
}

interface PendingTimer {
  readonly dueMs: number
  readonly fire: () => void
  readonly isBackground: boolean
}

// Taken at import, so that fake timers installed later by a test runner do not stop virtual time.
const nextTurn = setImmediate

/**
 * Makes a clock, timers and random numbers that a test drives by hand; passes for the runtime of `@surefoot/core`.
 *
 * @example
 * const time = createVirtualTime()
 * time.timers.set(1000, () => console.log('one second later'))
 * await time.advance(1000)
 */
export function createVirtualTime(options: VirtualTimeOptions = {}): VirtualTime {
  const startAtMs = options.startAtMs ?? 1_800_000_000_000
  const pending: PendingTimer[] = []
  let elapsedMs = 0

  const set: VirtualTime['timers']['set'] = (delayMs, fire, kind) => {
    const timer: PendingTimer = {
      dueMs: elapsedMs + Math.max(0, delayMs || 0),
      fire,
      isBackground: kind === 'background',
    }
    pending.splice(placeOf(pending, timer.dueMs), 0, timer)
    return {
      cancel() {
        const at = pending.indexOf(timer)
        if (at >= 0) pending.splice(at, 1)
      },
    }
  }

  const fireNext = async (): Promise<void> => {
    const timer = pending.shift()
    if (timer === undefined) return
    elapsedMs = timer.dueMs
    timer.fire()
    await settle()
  }

  return {
    clock: { nowMs: () => startAtMs + elapsedMs, monotonicMs: () => elapsedMs },
    timers: { set },
    random: createSeededRandom(options.seed ?? 1),
    get pendingTimers() {
      return pending.length
    },
    async advance(ms) {
      const untilMs = elapsedMs + ms
      await settle()
      while (pending[0] !== undefined && pending[0].dueMs <= untilMs) await fireNext()
      elapsedMs = Math.max(elapsedMs, untilMs)
      await settle()
    },
    async runUntilIdle(maxTimers = 100_000) {
      await settle()
      for (let fired = 0; pending.some((timer) => !timer.isBackground); fired++) {
        if (fired >= maxTimers) throw new Error(`Virtual time is not idle after ${maxTimers} timers`)
        await fireNext()
      }
    },
  }
}

/** The first place after every timer that is due no later, so that equal times keep their order. */
function placeOf(pending: readonly PendingTimer[], dueMs: number): number {
  let low = 0
  let high = pending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((pending[middle] as PendingTimer).dueMs <= dueMs) low = middle + 1
    else high = middle
  }
  return low
}

/** One turn of the event loop drains all microtasks; a second one serves code that itself waits for a turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => nextTurn(resolve))
}
