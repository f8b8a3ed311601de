import type { Backend } from '../../backends/backend.ts'
import { BoundedMap } from '../../backends/bounded-map.ts'
import type { Fleet } from '../../backends/fleet.ts'
import type { Config } from '../../config/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { isTooLate, refusalAtEntry } from './admission.ts'
import { Affinity } from './affinity.ts'
import { Alarm } from './alarm.ts'
import { freeOf, hasRoom, isLoading, isLookedFor, slotsOf } from './capacity.ts'
import { Impatience } from './impatience.ts'
import { measuredLease } from './measured-lease.ts'
import { ModelQueue } from './model-queue.ts'
import { NotFree } from '../../outcome/not-free.ts'
import { Overdue } from './overdue.ts'
import type { Refuse } from './overdue.ts'
import { Patience } from './patience.ts'
import { pick } from './pick.ts'
import type { Pick as Picked } from './pick.ts'
import { prepareModel, tellLoading } from './prepare-model.ts'
import { cameTooLate, notReady } from './refusals.ts'
import { Waiting } from './waiting.ts'
import type { Applicant } from './waiting.ts'

/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

/** What a call needs: a slot for its model, its backend for itself, or whatever there is. */
export type Demand = { readonly model: string } | { readonly backend: string } | 'anything'

const NO_DEMANDS: readonly Demand[] = []

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
  readonly #patience: Patience
  readonly #impatience: Impatience
  readonly #overdue: Overdue
  readonly #runtime: Runtime
  readonly #onWait: () => void
  /** The empty ones are kept for what they measured, but not for every name that was ever asked for. */
  readonly #queues = new BoundedMap<string, ModelQueue>(MOST_MODELS, (queue) => queue.length === 0)
  /** The queues in which somebody waits: few, however many names there are. */
  readonly #standing = new Set<ModelQueue>()
  readonly #affinity = new Affinity()
  readonly #alarm: Alarm
  #demand: ((demand: Demand) => boolean) | undefined
  #arrivals = 0
  #pumping = false
  #again = false

  /** @param onWait is called when a call has to wait for a backend to come back. */
  constructor(fleet: Fleet, options: DispatchOptions, runtime: Runtime, onWait: () => void = () => {}) {
    this.#fleet = fleet
    this.#options = options
    this.#patience = new Patience(fleet, options)
    this.#runtime = runtime
    this.#onWait = onWait
    const refuse: Refuse = (queue, waiting, error) => this.#refuse(queue, waiting, error)
    this.#impatience = new Impatience(fleet, this.#patience, { refuse, onMissed: onWait })
    this.#overdue = new Overdue(fleet, this.#patience, refuse)
    this.#alarm = new Alarm(runtime, () => this.#pump())
    fleet.onChange(() => this.#pump())
  }

  /** Calls that wait, over all models. */
  get waiting(): number {
    let sum = 0
    for (const queue of this.#standing) sum += queue.length
    return sum
  }

  /** Whether a backend that comes back would be used at once. */
  get isWaitedFor(): boolean {
    return this.waiting > 0 || this.#impatience.isBackendMissed(this.#nowMs())
  }

  /** Tells what runs only while nobody needs its place that a call needs it; it says whether it gave anything up. */
  onDemand(listener: (demand: Demand) => boolean): void {
    this.#demand = listener
  }

  /** Grants or refuses, now or later. The returned function takes the application back. */
  apply(model: string, applicant: Applicant): () => void {
    const queue = this.#queueOf(model)
    const nowMs = this.#nowMs()
    const waiting = new Waiting(applicant, nowMs, this.#arrivals++)
    queue.arrivals.arrived(nowMs)
    const all = this.#fleet.usable(model)
    const usable = this.#usableFor(waiting, model, all)
    let picked = this.#pick(usable, queue, waiting, nowMs)
    for (const demand of this.#demands(waiting, model)) {
      if (picked.kind === 'backend' && picked.backend.slots.isFree(model)) break
      if (this.#demand?.(demand) === true) picked = this.#pick(usable, queue, waiting, nowMs)
    }
    if (applicant.onlyIfIdle === true && (picked.kind !== 'backend' || queue.length > 0)) {
      applicant.refuse(new NotFree())
      return () => {}
    }
    if (picked.kind === 'backend' && queue.length === 0) {
      this.#grant(queue, waiting, picked.backend, nowMs)
      return () => {}
    }
    const room = { slots: usable.length === 0 ? 0 : slotsOf(all, model), free: freeOf(all, model), nowMs }
    const refusal = picked.kind === 'backend' ? undefined : refusalAtEntry(queue, waiting, room, this.#options)
    if (refusal !== undefined) {
      applicant.refuse(refusal)
      return () => {}
    }
    queue.add(waiting)
    waiting.follow(() => {
      if (queue.rise(waiting)) queue.tellPlaces(this.#nowMs(), slotsOf(this.#fleet.usable(model), model))
    })
    this.#standing.add(queue)
    if (picked.kind === 'backend') this.#pump()
    else this.#settleIn(queue, waiting, usable, nowMs)
    return () => {
      if (!queue.remove(waiting)) return
      if (this.waiting === 0) this.#alarm.cancel()
      else queue.tellPlaces(this.#nowMs(), slotsOf(this.#fleet.usable(model), model))
    }
  }

  /** What a call asks for while it finds no free slot: that of its own model first. */
  #demands({ applicant }: Waiting, model: string): readonly Demand[] {
    return this.#demand === undefined || applicant.onlyIfIdle === true ? NO_DEMANDS : [{ model }, 'anything']
  }

  #queueOf(model: string): ModelQueue {
    let queue = this.#queues.get(model)
    if (queue === undefined) {
      queue = new ModelQueue(model)
      this.#queues.set(model, queue)
    }
    return queue
  }

  #usableFor({ applicant }: Waiting, model: string, all: readonly Backend[]): readonly Backend[] {
    return applicant.eligible === undefined ? all : this.#fleet.usable(model, applicant.eligible)
  }

  #pick(usable: readonly Backend[], queue: ModelQueue, { applicant }: Waiting, nowMs: number): Picked {
    const { model } = queue
    return pick(usable, applicant, { model, nowMs, affine: this.#affinity.of(model, applicant.affinityKey) })
  }

  #grant(queue: ModelQueue, waiting: Waiting, backend: Backend, nowMs: number): void {
    if (waiting.applicant.onlyIfIdle !== true) this.#demand?.({ backend: backend.name })
    this.#affinity.served(queue.model, waiting.applicant.affinityKey, backend)
    waiting.applicant.grant(measuredLease(backend, queue, waiting, this.#runtime.clock, nowMs))
  }

  /** A newcomer that cannot go yet: nothing changes for those who wait already. */
  #settleIn(queue: ModelQueue, waiting: Waiting, usable: readonly Backend[], nowMs: number): void {
    const standing = waiting.isChoosy ? waiting : queue
    if (usable.length === 0) standing.notReadySinceMs ??= nowMs
    const loading = prepareModel(queue, usable)
    const { eligible } = waiting.applicant
    if (this.#impatience.turnsAway(queue, waiting, usable, nowMs)) return
    const giveUpAtMs = this.#patience.givesUpAtMs(queue, waiting, standing.notReadySinceMs, nowMs)
    if (nowMs >= giveUpAtMs) {
      this.#refuse(queue, waiting, notReady(this.#fleet, queue.model, nowMs))
      return
    }
    this.#alarm.at(
      Math.min(
        giveUpAtMs,
        this.#impatience.leavesAtMs(queue, waiting, usable, nowMs),
        this.#patience.overdueAtMs(queue, waiting, usable),
        this.#patience.usableAtMs(queue, usable, nowMs, eligible),
      ),
    )
    queue.sawLoad(loading !== undefined, nowMs)
    if (loading !== undefined) tellLoading(waiting, loading, queue.model)
    else if (!isLookedFor(usable, queue.model))
      queue.tellPlace(waiting, queue.placeOf(waiting), slotsOf(usable, queue.model))
    if (standing.notReadySinceMs !== undefined) this.#onWait()
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
      for (const queue of [...this.#standing].sort(byOldest)) {
        if (queue.length > 0) dueAtMs = Math.min(dueAtMs, this.#serve(queue))
        if (queue.length === 0) this.#standing.delete(queue)
      }
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
    this.#impatience.releaseToBetter(queue)
    for (let next = this.#nextGrant(queue, usable, nowMs); next !== undefined;) {
      const [waiting, backend] = next
      moved = true
      if (isTooLate(queue, waiting, nowMs) && queue.length > 1) {
        // It uses up nobody's turn: else all that have waited for long would go by refusals, and the young by slots.
        this.#refuse(queue, waiting, cameTooLate(queue.model, nowMs - waiting.sinceMs))
      } else {
        queue.take(waiting, nowMs)
        this.#grant(queue, waiting, backend, nowMs)
      }
      usable = this.#fleet.usable(queue.model)
      next = this.#nextGrant(queue, usable, nowMs)
    }
    queue.sawLoad(isLoading(usable, queue.model), nowMs)
    const wasReady = queue.notReadySinceMs === undefined
    queue.notReadySinceMs = usable.length > 0 || queue.length === 0 ? undefined : (queue.notReadySinceMs ?? nowMs)
    let dueAtMs = Math.min(this.#impatience.refuse(queue, usable, nowMs), this.#overdue.refuse(queue, usable, nowMs))
    for (const waiting of queue.choosy) dueAtMs = Math.min(dueAtMs, this.#overdue.standBy(queue, waiting, nowMs))
    if (queue.length === queue.choosy.size) return dueAtMs
    const loading = prepareModel(queue, usable)
    queue.sawLoad(loading !== undefined, nowMs)
    if (loading !== undefined) {
      for (const waiting of queue) if (!waiting.isChoosy) tellLoading(waiting, loading, queue.model)
    } else if (moved || wasReady !== (queue.notReadySinceMs === undefined)) {
      queue.tellPlaces(nowMs, slotsOf(usable, queue.model))
    }
    return Math.min(dueAtMs, this.#patience.usableAtMs(queue, usable, nowMs))
  }

  /** Who goes now, and where; `undefined` when nobody can. */
  #nextGrant(queue: ModelQueue, usable: readonly Backend[], nowMs: number): [Waiting, Backend] | undefined {
    const { model } = queue
    const isRoom = usable.some((backend) => hasRoom(backend, model))
    if (!isRoom && queue.choosy.size === 0) return undefined
    for (const waiting of isRoom ? queue.inGrantOrder(nowMs) : queue.choosy) {
      const picked = this.#pick(this.#usableFor(waiting, model, usable), queue, waiting, nowMs)
      if (picked.kind === 'backend') return [waiting, picked.backend]
    }
    return undefined
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
