import { describe, expect, it } from 'vitest'

import { Slots } from './slots.ts'

describe('the slots of one backend', () => {
  it('are so many for each model', () => {
    const slots = new Slots(2, 20)
    slots.take('x')
    slots.take('x')
    expect(slots.isFree('x')).toBe(false)
    expect(slots.isFree('y')).toBe(true)
    slots.giveBack('x')
    expect(slots.isFree('x')).toBe(true)
    expect(slots.held).toBe(1)
  })

  it('are never more than the pool, all models together', () => {
    const slots = new Slots(2, 3)
    for (const model of ['x', 'x', 'y']) slots.take(model)
    expect(slots.isFree('y')).toBe(false)
    expect(slots.isFree('z')).toBe(false)
    slots.giveBack('x')
    expect(slots.isFree('z')).toBe(true)
  })

  it('show what one model can have', () => {
    expect(new Slots(4, 20).size).toBe(4)
    expect(new Slots(50, 20).size).toBe(20)
  })
})
