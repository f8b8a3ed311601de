import { describe, expect, it } from 'vitest'

import { Slots } from './slots.ts'

describe('the slots of one backend', () => {
  it('are so many for each model', () => {
    const slots = new Slots(2, 20)
    const seat = slots.take('x', 0)
    slots.take('x', 0)
    expect(slots.isFree('x')).toBe(false)
    expect(slots.isFree('y')).toBe(true)
    seat.giveBack(1)
    expect(slots.isFree('x')).toBe(true)
    expect(slots.held).toBe(1)
    seat.giveBack(2)
    expect(slots.held).toBe(1)
    expect(slots.heldBy('x')).toBe(1)
  })

  it('are never more than the pool, all models together', () => {
    const slots = new Slots(2, 3)
    const seats = ['x', 'x', 'y'].map((model) => slots.take(model, 0))
    expect(slots.isFree('y')).toBe(false)
    expect(slots.isFree('z')).toBe(false)
    seats[0]!.giveBack(1)
    expect(slots.isFree('z')).toBe(true)
  })

  it('show what one model can have', () => {
    expect(new Slots(4, 20).sizeOf('x')).toBe(4)
    expect(new Slots(50, 20).sizeOf('x')).toBe(20)
    expect(new Slots('auto', 20).sizeOf('x')).toBe(1)
  })

  it('a number that was configured is not put to the test', () => {
    const slots = new Slots(1, 20)
    slots.take('x', 0).firstToken(10)
    expect(slots.mayTry('x', 20)).toBe(false)
  })
})
