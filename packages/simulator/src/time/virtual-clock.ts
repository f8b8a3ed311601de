import type { Runtime, Timer } from '@surefoot/core'

import { EventHeap } from './event-heap.ts'
import type { ScheduledEvent } from './event-heap.ts'
import { RandomStream } from './random-stream.ts'

/** Where the wall clock starts, in ms since 1970: 2026-11-23. */
const EPOCH_MS = 1_795_392_000_000
/** Events run in one turn of the event loop; between turns signals and progress get their time. */
const EVENTS_PER_TURN = 512
/** So many events without a step of time mean that something sets its timer to now again and again. */
const MOST_EVENTS_AT_ONCE = 200_000

/**
 * Virtual time: the clock jumps from event to event. All promises are settled between two events, because each event
 * runs in an immediate of its own, and Node drains its microtasks after every immediate; that costs a tenth of a
 * microsecond.
 */
export class VirtualClock {
  readonly #heap = new EventHeap()
  #nowMs = 0
  #order = 0
  #wallOffsetMs = EPOCH_MS
  #timers = 0
  #atOnce = 0
  /** Events that have happened. */
  events = 0

  /** Since the start of the world. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Milliseconds since 1970; it can jump. */
  get wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs
  }

  /** Timers that core has set and not taken back. */
  get coreTimers(): number {
    return this.#timers
  }

  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** An event of the modelled world. */
  at(delayMs: number, fire: () => void): ScheduledEvent {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire, cancelled: false }
    this.#heap.push(event)
    return event
  }

  /** The runtime that core is given; its timers are counted, as none may be left in the end. */
  createRuntime(seed: number): Runtime {
    return {
      clock: { nowMs: () => this.wallMs, monotonicMs: () => this.#nowMs },
      timers: { set: (delayMs, fire) => this.#setTimer(delayMs, fire) },
      random: RandomStream.forNames(seed, 'core'),
    }
  }

  /** Lets everything happen that happens until then. Rejects with what an event throws. */
  run(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let ended = false
      const step = (): void => {
        if (ended) return
        const event = this.#heap.popDue(untilMs)
        if (event === undefined) {
          ended = true
          if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs)
          resolve()
          return
        }
        this.#atOnce = event.atMs > this.#nowMs ? 0 : this.#atOnce + 1
        this.#nowMs = event.atMs
        this.events++
        try {
          if (this.#atOnce > MOST_EVENTS_AT_ONCE) throw new Error(`Time stands still at ${event.atMs} ms`)
          event.fire()
        } catch (error) {
          ended = true
          reject(error as Error)
        }
      }
      const turn = (): void => {
        if (ended) return
        for (let count = 0; count < EVENTS_PER_TURN; count++) setImmediate(step)
        setImmediate(turn)
      }
      turn()
    })
  }

  #setTimer(delayMs: number, fire: () => void): Timer {
    this.#timers++
    const event = this.at(delayMs, () => {
      event.cancelled = true
      this.#timers--
      fire()
    })
    return {
      cancel: () => {
        if (event.cancelled) return
        event.cancelled = true
        this.#timers--
      },
    }
  }
}
