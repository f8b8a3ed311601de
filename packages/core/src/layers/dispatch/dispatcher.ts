import type { Backend } from '../../backends/backend.ts'
import { BoundedMap } from '../../backends/bounded-map.ts'
import type { Fleet } from '../../backends/fleet.ts'
import type { Lease } from '../../backends/lease.ts'
import type { Config } from '../../config/config.ts'
import type { Runtime, Timer } from '../../runtime/runtime.ts'
import { pick } from './pick.ts'
import { ModelQueue } from './queue.ts'
import type { Waiting } from './queue.ts'
import { notReady, queueFull, queueTimeout } from './refusals.ts'

/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

/** The settings it goes by. */
export type DispatchOptions = Pick<Config, 'waitForReadyMs' | 'queueTimeoutMs' | 'maxQueueLength'>

/** Whoever wants a slot. */
export type Applicant = Pick<Waiting, 'exclude' | 'grant' | 'refuse'> & {
  /** When the call began, also if this is a later attempt of it. @default now */
  readonly callSinceMs?: number | undefined
  queued(position: number, waitingFor: 'slot' | 'backend', expectedWaitMs: number | undefined): void
}

/**
 * Hands out leases: at once when a slot is free and nobody waits, else in turn. Whenever a slot, a breaker or the time
 * changes, it looks again who can go; one timer serves all who wait.
 */
export class Dispatcher {
  readonly #fleet: Fleet
  readonly #options: DispatchOptions
  readonly #runtime: Runtime
  readonly #onWait: () => void
  /** The empty ones are kept for what they measured, but not for every name that was ever asked for. */
  readonly #queues = new BoundedMap<string, ModelQueue>(MOST_MODELS, (queue) => queue.length === 0)
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined
  #pumping = false

  /** @param onWait is called when a call has to wait for a backend to come back. */
  constructor(fleet: Fleet, options: DispatchOptions, runtime: Runtime, onWait: () => void = () => {}) {
    this.#fleet = fleet
    this.#options = options
    this.#runtime = runtime
    this.#onWait = onWait
    fleet.onChange(() => this.#pump())
  }

  /** Calls that wait, over all models. */
  get waiting(): number {
    let sum = 0
    for (const queue of this.#queues.values()) sum += queue.length
    return sum
  }

  /** Grants or refuses, now or later. The returned function takes the application back. */
  apply(model: string, applicant: Applicant): () => void {
    const queue = this.#queueOf(model)
    const nowMs = this.#runtime.clock.monotonicMs()
    if (queue.length === 0) {
      const choice = pick(this.#fleet.usable(model), model, applicant.exclude, nowMs)
      if (choice.kind === 'backend') {
        applicant.grant(this.#lease(choice.backend, queue))
        return () => {}
      }
    }
    if (queue.length >= this.#options.maxQueueLength) {
      applicant.refuse(queueFull(model, queue.length))
      return () => {}
    }
    let told = ''
    const waiting: Waiting = {
      ...applicant,
      sinceMs: nowMs,
      callSinceMs: applicant.callSinceMs ?? nowMs,
      place: (position) => {
        const waitingFor = queue.notReadySinceMs === undefined ? 'slot' : 'backend'
        if (told === `${position} ${waitingFor}`) return
        told = `${position} ${waitingFor}`
        applicant.queued(position, waitingFor, queue.expectedWaitMs(position, this.#slotsFor(model)))
      },
    }
    queue.add(waiting)
    this.#pump()
    if (queue.has(waiting)) {
      waiting.place(queue.length)
      if (queue.notReadySinceMs !== undefined) this.#onWait()
    }
    return () => {
      if (!queue.remove(waiting)) return
      // Nobody waits any more: then no timer must be left either.
      if (queue.length === 0) this.#pump()
      else queue.tellPlaces()
    }
  }

  /** Sends everybody who waits away. */
  refuseAll(error: unknown): void {
    for (const queue of this.#queues.values()) {
      for (const waiting of queue) this.#refuse(queue, waiting, error)
    }
    this.#timer?.timer.cancel()
    this.#timer = undefined
  }

  #queueOf(model: string): ModelQueue {
    const queue = this.#queues.get(model) ?? new ModelQueue(model)
    this.#queues.set(model, queue)
    return queue
  }

  #lease(backend: Backend, queue: ModelQueue): Lease {
    const lease = backend.lease(queue.model)
    const startedAtMs = this.#runtime.clock.monotonicMs()
    return {
      ...lease,
      end: (how) => {
        if (how.kind === 'whole') queue.held(this.#runtime.clock.monotonicMs() - startedAtMs)
        lease.end(how)
      },
    }
  }

  /** Lets everybody go who can, refuses who has waited too long, and sets the timer for the next look. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    let dueAtMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues.values()) {
      if (queue.length > 0) dueAtMs = Math.min(dueAtMs, this.#serve(queue))
      if (queue.length === 0) queue.notReadySinceMs = undefined
    }
    this.#pumping = false
    this.#wakeAt(dueAtMs)
  }

  /** Serves one queue; returns when time alone will change something for it. */
  #serve(queue: ModelQueue): number {
    const nowMs = this.#runtime.clock.monotonicMs()
    let usable = this.#fleet.usable(queue.model)
    let moved = false
    for (const waiting of queue) {
      const choice = pick(usable, queue.model, waiting.exclude, nowMs)
      if (choice.kind === 'backend') {
        queue.remove(waiting)
        moved = true
        waiting.grant(this.#lease(choice.backend, queue))
        usable = this.#fleet.usable(queue.model)
      } else if (!usable.some((backend) => backend.slots.isFree(queue.model))) break
    }
    const wasReady = queue.notReadySinceMs === undefined
    queue.notReadySinceMs = usable.length > 0 ? undefined : (queue.notReadySinceMs ?? nowMs)
    this.#refuseOverdue(queue, nowMs)
    if (moved || wasReady !== (queue.notReadySinceMs === undefined)) queue.tellPlaces()
    return this.#nextLookMs(queue, usable)
  }

  #refuseOverdue(queue: ModelQueue, nowMs: number): void {
    for (const waiting of queue) {
      if (nowMs >= this.#giveUpAtMs(queue, waiting)) {
        this.#refuse(queue, waiting, notReady(this.#fleet, queue.model, nowMs))
      } else if (nowMs >= waiting.sinceMs + this.#options.queueTimeoutMs) {
        this.#refuse(queue, waiting, queueTimeout(queue.model, nowMs - waiting.sinceMs))
      } else if (queue.notReadySinceMs === undefined) return // First come, first overdue.
    }
  }

  /** When a call stops waiting for a backend to come back; its own failed probes meanwhile do not lengthen that. */
  #giveUpAtMs(queue: ModelQueue, waiting: Waiting): number {
    if (queue.notReadySinceMs === undefined) return Number.POSITIVE_INFINITY
    const downSinceMs = this.#fleet.downSinceMs
    const fromMs =
      downSinceMs === undefined
        ? Math.max(queue.notReadySinceMs, waiting.sinceMs)
        : Math.max(downSinceMs, waiting.callSinceMs)
    return fromMs + this.#patienceMs(queue.model)
  }

  /** Nobody waits for a model that no backend has; it would have to be pulled. */
  #patienceMs(model: string): number {
    const nowMs = this.#runtime.clock.monotonicMs()
    const missing = this.#fleet.backends.every(
      (backend) => backend.models.avoided(model, nowMs, true)?.error.code === 'MODEL_NOT_FOUND',
    )
    return missing ? 0 : this.#options.waitForReadyMs
  }

  #nextLookMs(queue: ModelQueue, usable: readonly Backend[]): number {
    const first = queue.first
    if (first === undefined) return Number.POSITIVE_INFINITY
    const changes = this.#fleet.backends
      .filter((backend) => !usable.includes(backend))
      .map(
        (backend) =>
          backend.usableAtMs(queue.model, this.#fleet.isLast(backend, queue.model)) ?? Number.POSITIVE_INFINITY,
      )
    let dueAtMs = Math.min(first.sinceMs + this.#options.queueTimeoutMs, ...changes)
    if (queue.notReadySinceMs === undefined) return dueAtMs
    for (const waiting of queue) dueAtMs = Math.min(dueAtMs, this.#giveUpAtMs(queue, waiting))
    return dueAtMs
  }

  #refuse(queue: ModelQueue, waiting: Waiting, error: unknown): void {
    if (queue.remove(waiting)) waiting.refuse(error)
  }

  /** A timer that fires too early costs a look; one that is set again for each look would cost more. */
  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) {
      if (atMs === Number.POSITIVE_INFINITY || this.waiting === 0) {
        this.#timer.timer.cancel()
        this.#timer = undefined
      }
      return
    }
    this.#timer?.timer.cancel()
    this.#timer = undefined
    if (atMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(0, atMs - this.#runtime.clock.monotonicMs())
    const timer = this.#runtime.timers.set(delayMs, () => {
      this.#timer = undefined
      this.#pump()
    })
    this.#timer = { atMs, timer }
  }

  #slotsFor(model: string): number {
    return this.#fleet.usable(model).reduce((sum, backend) => sum + backend.slots.sizeOf(model), 0)
  }
}
