/** Something that happens at a time. */
export interface ScheduledEvent {
  readonly atMs: number
  /** Orders events of the same time by when they were set. */
  readonly order: number
  fire(): void
  cancelled: boolean
}

/** Events by time, then by order: a binary heap. What was cancelled stays until it comes up. */
export class EventHeap {
  readonly #events: ScheduledEvent[] = []

  push(event: ScheduledEvent): void {
    const events = this.#events
    let at = events.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = events[parent] as ScheduledEvent
      if (!isBefore(event, above)) break
      events[at] = above
      at = parent
    }
    events[at] = event
  }

  /** Takes out the first event that is due by then and was not cancelled. */
  popDue(untilMs: number): ScheduledEvent | undefined {
    for (;;) {
      const first = this.#events[0]
      if (first === undefined || (first.atMs > untilMs && !first.cancelled)) return undefined
      this.#removeFirst()
      if (!first.cancelled) return first
    }
  }

  #removeFirst(): void {
    const events = this.#events
    const last = events.pop() as ScheduledEvent
    const { length } = events
    if (length === 0) return
    let at = 0
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && isBefore(events[child + 1] as ScheduledEvent, events[child] as ScheduledEvent)) child++
      const below = events[child] as ScheduledEvent
      if (!isBefore(below, last)) break
      events[at] = below
      at = child
    }
    events[at] = last
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
