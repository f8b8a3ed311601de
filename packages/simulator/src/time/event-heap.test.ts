import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { EventHeap } from './event-heap.ts'
import type { ScheduledEvent } from './event-heap.ts'

describe('the heap of events', () => {
  it('gives them by time, then by the order they were set, without the cancelled ones', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ atMs: fc.nat(20), cancelled: fc.boolean() })), (given) => {
        const heap = new EventHeap()
        const events = given.map((each, order): ScheduledEvent => ({ ...each, order, fire: () => {} }))
        for (const event of events) heap.push(event)
        const got: ScheduledEvent[] = []
        for (let next = heap.popDue(20); next !== undefined; next = heap.popDue(20)) got.push(next)
        const right = events
          .filter(({ cancelled }) => !cancelled)
          .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)
        expect(got).toEqual(right)
      }),
    )
  })

  it('keeps what is not due yet', () => {
    const heap = new EventHeap()
    heap.push({ atMs: 5, order: 0, fire: () => {}, cancelled: false })
    expect(heap.popDue(4.9)).toBeUndefined()
    expect(heap.popDue(5)?.atMs).toBe(5)
  })
})
