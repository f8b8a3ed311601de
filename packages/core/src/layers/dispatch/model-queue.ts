import { ArrivalRate } from './arrival-rate.ts'
import { FairShare } from './fair-share.ts'
import { HoldTimes } from './hold-times.ts'
import { goesBefore } from './waiting.ts'
import type { Waiting } from './waiting.ts'

/** Whoever has waited so long goes first, whatever its priority; but only every second time, lest the others starve. */
const AGED_MS = 45_000
/** Callers further back than this are not told of every step forward. */
const TOLD_PLACES = 20

/** The calls of one tenant with one priority, in the order in which they go. */
interface Line {
  readonly rank: number
  readonly tenant: string
  readonly waiting: Waiting[]
}

/**
 * The calls that wait for one model, and who of them goes next: the highest priority; among equals the tenant that has
 * had the least service; of its calls the one with the earliest deadline, then the oldest. Every second time it is whoever
 * has waited the longest, if that is 45 s or more.
 */
export class ModelQueue {
  readonly model: string
  readonly shares: FairShare = new FairShare()
  readonly holds: HoldTimes = new HoldTimes()
  readonly arrivals: ArrivalRate = new ArrivalRate()
  /** Since when no backend is usable for this model; `undefined` while one is. */
  notReadySinceMs: number | undefined
  /** Since when somebody has waited, without a break. */
  standingSinceMs: number | undefined
  /** When the last load that everybody waited for was over. */
  loadedAtMs: number = Number.NEGATIVE_INFINITY
  #isLoading = false
  /** In the order of their coming. */
  readonly #all = new Set<Waiting>()
  /** Those of them that may not go to every backend, in the order of their coming. */
  readonly choosy: Set<Waiting> = new Set<Waiting>()
  /** Those of them that have another way to be answered. */
  readonly impatient: Set<Waiting> = new Set<Waiting>()
  readonly #lines = new Map<string, Line>()
  #lastWasAged = false

  constructor(model: string) {
    this.model = model
  }

  get length(): number {
    return this.#all.size
  }

  /** The one that has waited the longest. */
  get oldest(): Waiting | undefined {
    return this.#all.values().next().value
  }

  /** In the order of their coming. */
  [Symbol.iterator](): IterableIterator<Waiting> {
    return this.#all.values()
  }

  add(waiting: Waiting): void {
    if (this.#all.size === 0) this.standingSinceMs = waiting.sinceMs
    this.#all.add(waiting)
    if (waiting.isChoosy) this.choosy.add(waiting)
    if (waiting.applicant.patience !== undefined) this.impatient.add(waiting)
    this.#lineUp(waiting)
  }

  /** It may have become more important: it keeps its age, and takes its place among its equals. @returns whether it did */
  rise(waiting: Waiting): boolean {
    const { risenRank } = waiting
    if (risenRank >= waiting.rank || !this.#all.has(waiting)) return false
    this.#stepOut(waiting)
    waiting.rank = risenRank
    this.#lineUp(waiting)
    return true
  }

  /** Takes it out; false when it was not there any more. */
  remove(waiting: Waiting): boolean {
    if (!this.#all.delete(waiting)) return false
    this.choosy.delete(waiting)
    this.impatient.delete(waiting)
    if (this.#all.size === 0) {
      this.notReadySinceMs = undefined
      this.standingSinceMs = undefined
    }
    this.#stepOut(waiting)
    waiting.left()
    return true
  }

  /** Takes out who goes now, by its turn or by its age. */
  take(waiting: Waiting, nowMs: number): void {
    this.#lastWasAged = !this.#lastWasAged && isAged(waiting, nowMs)
    this.remove(waiting)
  }

  /**
   * All, in the order in which they are given a slot that suits them: when it is the turn of those who have waited for long,
   * the oldest of them that can go, as one that waits for a certain backend must not keep the others from growing old.
   * Nothing may be added or removed meanwhile.
   */
  *inGrantOrder(nowMs: number): Generator<Waiting, void> {
    const agedFirst = !this.#lastWasAged
    if (agedFirst) {
      for (const waiting of this.#all) {
        if (!isAged(waiting, nowMs)) break
        yield waiting
      }
    }
    for (const waiting of this.inTurn(nowMs)) if (!agedFirst || !isAged(waiting, nowMs)) yield waiting
  }

  /** All, in the order in which they go. Nothing may be added or removed meanwhile. */
  *inTurn(nowMs: number): Generator<Waiting, void> {
    const aged = this.#aged(nowMs)
    if (aged !== undefined) yield aged
    const heads = [...this.#lines.values()].map((line) => ({ line, next: 0, mark: this.shares.markOf(line.tenant) }))
    for (;;) {
      let first: (typeof heads)[number] | undefined
      for (const head of heads) {
        if (head.next < head.line.waiting.length && (first === undefined || isSooner(head, first))) first = head
      }
      if (first === undefined) return
      const waiting = first.line.waiting[first.next++] as Waiting
      // The next one of a tenant comes after it has been served once more.
      first.mark += this.holds.meanMs ?? 1
      if (waiting !== aged) yield waiting
    }
  }

  /** Whether everybody waits for a load now. */
  sawLoad(isLoading: boolean, nowMs: number): void {
    if (this.#isLoading && !isLoading) this.loadedAtMs = nowMs
    this.#isLoading = isLoading
  }

  /** How many go before it, and itself; estimated from the lengths of the lines. */
  placeOf(waiting: Waiting): number {
    const own = this.#lines.get(keyOf(waiting))
    const index = own === undefined ? 0 : placeIn(own, waiting)
    let place = index + 1
    for (const line of this.#lines.values()) {
      if (line === own) continue
      if (line.rank < waiting.rank) place += line.waiting.length
      else if (line.rank === waiting.rank) place += Math.min(line.waiting.length, index + 1)
    }
    return place
  }

  /** What a call at this place has to expect, with so many slots; `undefined` until a hold was measured. */
  expectedWaitMs(position: number, slots: number): number | undefined {
    const { meanMs } = this.holds
    return meanMs === undefined ? undefined : Math.round((meanMs * position) / Math.max(slots, 1))
  }

  /** Tells the first ones their new places. */
  tellPlaces(nowMs: number, slots: number): void {
    let position = 0
    for (const waiting of this.inTurn(nowMs)) {
      if (++position > TOLD_PLACES) return
      this.tellPlace(waiting, position, slots)
    }
  }

  tellPlace(waiting: Waiting, position: number, slots: number): void {
    const { notReadySinceMs } = waiting.isChoosy ? waiting : this
    const waitingFor = notReadySinceMs === undefined ? 'slot' : 'backend'
    waiting.tellPlace(position, waitingFor, this.expectedWaitMs(position, slots))
  }

  #lineUp(waiting: Waiting): void {
    const key = keyOf(waiting)
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { rank: waiting.rank, tenant: waiting.tenant, waiting: [] }
      this.#lines.set(key, line)
    }
    line.waiting.splice(placeIn(line, waiting), 0, waiting)
  }

  #stepOut(waiting: Waiting): void {
    const key = keyOf(waiting)
    const line = this.#lines.get(key) as Line
    line.waiting.splice(placeIn(line, waiting), 1)
    if (line.waiting.length === 0) this.#lines.delete(key)
  }

  #aged(nowMs: number): Waiting | undefined {
    const { oldest } = this
    if (this.#lastWasAged || oldest === undefined) return undefined
    return isAged(oldest, nowMs) ? oldest : undefined
  }
}

function isAged({ sinceMs }: Waiting, nowMs: number): boolean {
  return nowMs - sinceMs >= AGED_MS
}

function keyOf({ rank, tenant }: Waiting): string {
  return `${rank} ${tenant}`
}

/** Where it stands in its line, or would stand. */
function placeIn(line: Line, waiting: Waiting): number {
  let low = 0
  let high = line.waiting.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (goesBefore(line.waiting[middle] as Waiting, waiting)) low = middle + 1
    else high = middle
  }
  return low
}

function isSooner(
  a: { readonly line: Line; readonly next: number; readonly mark: number },
  b: { readonly line: Line; readonly next: number; readonly mark: number },
): boolean {
  if (a.line.rank !== b.line.rank) return a.line.rank < b.line.rank
  if (a.mark !== b.mark) return a.mark < b.mark
  return goesBefore(a.line.waiting[a.next] as Waiting, b.line.waiting[b.next] as Waiting)
}
