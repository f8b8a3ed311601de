import type { Backend } from '../../backends/backend.ts'
import { BoundedMap } from '../../backends/bounded-map.ts'
import type { Fleet } from '../../backends/fleet.ts'
import type { Config } from '../../config/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { isTooLate, refusalAtEntry } from './admission.ts'
import { Affinity } from './affinity.ts'
import { Alarm } from './alarm.ts'
import { measuredLease } from './measured-lease.ts'
import { ModelQueue } from './model-queue.ts'
import { NotFree } from '../../outcome/not-free.ts'
import { pick } from './pick.ts'
import type { Pick as Picked } from './pick.ts'
import { prepareModel } from './prepare-model.ts'
import { cameTooLate, notReady, queueTimeout } from './refusals.ts'
import { Waiting } from './waiting.ts'
import type { Applicant } from './waiting.ts'

/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

/** The settings it goes by. */
export type DispatchOptions = Pick<Config, 'waitForReadyMs' | 'queueTimeoutMs' | 'maxQueueLength'>

/**
 * Hands out leases: at once when a slot is free, else to whoever is next when one becomes free. Whenever a slot, a
 * breaker, a model's place or the time changes, it looks again who can go; one timer serves all who wait.
 *
 * Who is next is decided in `model-queue.ts`, where it goes in `pick.ts`, who is turned away in `admission.ts`.
 */
export class Dispatcher {
  readonly #fleet: Fleet
  readonly #options: DispatchOptions
  readonly #runtime: Runtime
  readonly #onWait: () => void
  /** The empty ones are kept for what they measured, but not for every name that was ever asked for. */
  readonly #queues = new BoundedMap<string, ModelQueue>(MOST_MODELS, (queue) => queue.length === 0)
  readonly #affinity = new Affinity()
  readonly #alarm: Alarm
  #arrivals = 0
  #pumping = false
  #again = false

  /** @param onWait is called when a call has to wait for a backend to come back. */
  constructor(fleet: Fleet, options: DispatchOptions, runtime: Runtime, onWait: () => void = () => {}) {
    this.#fleet = fleet
    this.#options = options
    this.#runtime = runtime
    this.#onWait = onWait
    this.#alarm = new Alarm(runtime, () => this.#pump())
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
    const nowMs = this.#nowMs()
    const waiting = new Waiting(applicant, nowMs, this.#arrivals++)
    queue.arrivals.arrived(nowMs)
    const usable = this.#fleet.usable(model)
    const picked = this.#pick(usable, queue, waiting, nowMs)
    if (applicant.onlyIfIdle === true && (picked.kind !== 'backend' || queue.length > 0)) {
      applicant.refuse(new NotFree())
      return () => {}
    }
    if (picked.kind === 'backend' && queue.length === 0) {
      this.#grant(queue, waiting, picked.backend, nowMs)
      return () => {}
    }
    const room = { slots: slotsOf(usable, model), free: freeOf(usable, model), nowMs }
    const refusal = picked.kind === 'backend' ? undefined : refusalAtEntry(queue, waiting, room, this.#options)
    if (refusal !== undefined) {
      applicant.refuse(refusal)
      return () => {}
    }
    queue.add(waiting)
    if (picked.kind === 'backend') this.#pump()
    else this.#settleIn(queue, waiting, usable, nowMs)
    return () => {
      if (!queue.remove(waiting)) return
      if (this.waiting === 0) this.#alarm.cancel()
      else queue.tellPlaces(this.#nowMs(), slotsOf(this.#fleet.usable(model), model))
    }
  }

  #queueOf(model: string): ModelQueue {
    let queue = this.#queues.get(model)
    if (queue === undefined) {
      queue = new ModelQueue(model)
      this.#queues.set(model, queue)
    }
    return queue
  }

  #pick(usable: readonly Backend[], queue: ModelQueue, { applicant }: Waiting, nowMs: number): Picked {
    const { model } = queue
    return pick(usable, applicant, { model, nowMs, affine: this.#affinity.of(model, applicant.affinityKey) })
  }

  #grant(queue: ModelQueue, waiting: Waiting, backend: Backend, nowMs: number): void {
    this.#affinity.served(queue.model, waiting.applicant.affinityKey, backend)
    waiting.applicant.grant(measuredLease(backend, queue, waiting, this.#runtime.clock, nowMs))
  }

  /** A newcomer that cannot go yet: nothing changes for those who wait already. */
  #settleIn(queue: ModelQueue, waiting: Waiting, usable: readonly Backend[], nowMs: number): void {
    if (usable.length === 0) queue.notReadySinceMs ??= nowMs
    const loading = prepareModel(queue, usable)
    const giveUpAtMs = this.#giveUpAtMs(queue, nowMs)?.(waiting) ?? Number.POSITIVE_INFINITY
    if (nowMs >= giveUpAtMs) {
      this.#refuse(queue, waiting, notReady(this.#fleet, queue.model, nowMs))
      return
    }
    this.#alarm.at(
      Math.min(giveUpAtMs, this.#overdueAtMs(queue, waiting, usable), this.#usableAtMs(queue, usable, nowMs)),
    )
    if (loading !== undefined) tellLoading(waiting, loading, queue.model)
    else if (!isLookedFor(usable, queue.model))
      queue.tellPlace(waiting, queue.placeOf(waiting), slotsOf(usable, queue.model))
    if (queue.notReadySinceMs !== undefined) this.#onWait()
  }

  /** Lets everybody go who can, refuses who has waited too long, and sets the timer for the next look. */
  #pump(): void {
    this.#again = true
    if (this.#pumping) return
    this.#pumping = true
    let dueAtMs = Number.POSITIVE_INFINITY
    while (this.#again) {
      // What is granted changes backends, and may change what else is possible.
      this.#again = false
      dueAtMs = Number.POSITIVE_INFINITY
      // Models compete for the sockets of a backend: the one whose first call came first is served first.
      const queues = [...this.#queues.values()].filter(({ length }) => length > 0)
      for (const queue of queues.sort(byOldest)) dueAtMs = Math.min(dueAtMs, this.#serve(queue))
    }
    this.#pumping = false
    if (this.waiting === 0) this.#alarm.cancel()
    else this.#alarm.at(dueAtMs)
  }

  /** Serves one queue; returns when time alone will change something for it. */
  #serve(queue: ModelQueue): number {
    const nowMs = this.#nowMs()
    let usable = this.#fleet.usable(queue.model)
    let moved = false
    for (let next = this.#nextGrant(queue, usable, nowMs); next !== undefined;) {
      const [waiting, backend] = next
      moved = true
      queue.take(waiting, nowMs)
      if (isTooLate(queue, waiting, nowMs) && queue.length > 0) {
        waiting.applicant.refuse(cameTooLate(queue.model, nowMs - waiting.sinceMs))
      } else this.#grant(queue, waiting, backend, nowMs)
      usable = this.#fleet.usable(queue.model)
      next = this.#nextGrant(queue, usable, nowMs)
    }
    const wasReady = queue.notReadySinceMs === undefined
    queue.notReadySinceMs = usable.length > 0 || queue.length === 0 ? undefined : (queue.notReadySinceMs ?? nowMs)
    const giveUpAtMs = this.#refuseOverdue(queue, usable, nowMs)
    if (queue.length === 0) return Number.POSITIVE_INFINITY
    const loading = prepareModel(queue, usable)
    if (loading !== undefined) for (const waiting of queue) tellLoading(waiting, loading, queue.model)
    else if (moved || wasReady !== (queue.notReadySinceMs === undefined)) {
      queue.tellPlaces(nowMs, slotsOf(usable, queue.model))
    }
    const oldest = queue.oldest
    const overdueAtMs = oldest === undefined ? Number.POSITIVE_INFINITY : this.#overdueAtMs(queue, oldest, usable)
    return Math.min(giveUpAtMs, overdueAtMs, this.#usableAtMs(queue, usable, nowMs))
  }

  /** Who goes now, and where; `undefined` when nobody can. */
  #nextGrant(queue: ModelQueue, usable: readonly Backend[], nowMs: number): [Waiting, Backend] | undefined {
    const { model } = queue
    if (!usable.some((backend) => hasRoom(backend, model))) return undefined
    for (const waiting of queue.inTurn(nowMs)) {
      const picked = this.#pick(usable, queue, waiting, nowMs)
      if (picked.kind === 'backend') return [waiting, picked.backend]
    }
    return undefined
  }

  /** Returns when the next one of those who wait for a backend to come back gives up. */
  #refuseOverdue(queue: ModelQueue, usable: readonly Backend[], nowMs: number): number {
    const giveUpAtMs = this.#giveUpAtMs(queue, nowMs)
    let nextMs = Number.POSITIVE_INFINITY
    for (const waiting of queue) {
      const untilMs = giveUpAtMs?.(waiting) ?? Number.POSITIVE_INFINITY
      if (nowMs >= untilMs) this.#refuse(queue, waiting, notReady(this.#fleet, queue.model, nowMs))
      else if (nowMs >= this.#overdueAtMs(queue, waiting, usable)) {
        this.#refuse(queue, waiting, queueTimeout(queue.model, nowMs - waiting.sinceMs))
      } else if (giveUpAtMs === undefined) break // First come, first overdue.
      else nextMs = Math.min(nextMs, untilMs)
    }
    return nextMs
  }

  /**
   * When a call stops waiting for a backend to come back; its own failed probes meanwhile do not lengthen that.
   * `undefined` while one is usable.
   */
  #giveUpAtMs(queue: ModelQueue, nowMs: number): ((waiting: Waiting) => number) | undefined {
    const { notReadySinceMs, model } = queue
    if (notReadySinceMs === undefined) return undefined
    const { downSinceMs } = this.#fleet
    const patienceMs = this.#patienceMs(model, nowMs)
    return downSinceMs === undefined
      ? (waiting) => Math.max(notReadySinceMs, waiting.sinceMs) + patienceMs
      : (waiting) => Math.max(downSinceMs, waiting.callSinceMs) + patienceMs
  }

  /** Nobody waits for a model that no backend has; it would have to be pulled. */
  #patienceMs(model: string, nowMs: number): number {
    const { backends } = this.#fleet
    const missing = backends.every(
      (backend) => backend.models.avoided(model, nowMs, true)?.error.code === 'MODEL_NOT_FOUND',
    )
    // Where no backend is known yet, one may come.
    return missing && backends.length > 0 ? 0 : this.#options.waitForReadyMs
  }

  /** A load takes as long as it takes; the queue's patience is for slots. */
  #overdueAtMs({ model }: ModelQueue, waiting: Waiting, usable: readonly Backend[]): number {
    const onlyLoading = usable.length > 0 && usable.every((backend) => backend.readiness(model) !== 'ready')
    return onlyLoading ? Number.POSITIVE_INFINITY : waiting.sinceMs + this.#options.queueTimeoutMs
  }

  /** When time alone makes another backend usable. One whose time is over waits for something else, and tells of it. */
  #usableAtMs({ model }: ModelQueue, usable: readonly Backend[], nowMs: number): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const backend of this.#fleet.backends) {
      if (usable.includes(backend)) continue
      const backAtMs = backend.usableAtMs(model, this.#fleet.isLast(backend, model))
      if (backAtMs !== undefined && backAtMs > nowMs) atMs = Math.min(atMs, backAtMs)
    }
    return atMs
  }

  #refuse(queue: ModelQueue, waiting: Waiting, error: unknown): void {
    if (queue.remove(waiting)) waiting.applicant.refuse(error)
  }

  #nowMs(): number {
    return this.#runtime.clock.monotonicMs()
  }
}

function byOldest(a: ModelQueue, b: ModelQueue): number {
  return (a.oldest?.arrival ?? 0) - (b.oldest?.arrival ?? 0)
}

function slotsOf(usable: readonly Backend[], model: string): number {
  return usable.reduce((sum, backend) => sum + backend.slots.sizeOf(model), 0)
}

function freeOf(usable: readonly Backend[], model: string): number {
  return usable.reduce((sum, { slots }) => sum + Math.max(0, slots.sizeOf(model) - slots.heldBy(model)), 0)
}

function hasRoom(backend: Backend, model: string): boolean {
  return (backend.slots.isFree(model) || backend.mayTry(model)) && backend.readiness(model) === 'ready'
}

/** It is being found out where the model is: a matter of milliseconds, of which nobody is told. */
function isLookedFor(usable: readonly Backend[], model: string): boolean {
  return usable.length > 0 && usable.every((backend) => backend.readiness(model) === 'unknown')
}

function tellLoading(waiting: Waiting, backend: Backend, model: string): void {
  waiting.tellLoading(backend.name, backend.loading(model)?.expectedMs)
}
