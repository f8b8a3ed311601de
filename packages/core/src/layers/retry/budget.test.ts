import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { RetryBudget } from './budget.ts'

function takeAll(budget: RetryBudget, most = 1_000, tenant?: string): number {
  let taken = 0
  while (taken < most && budget.take(tenant)) taken++
  return taken
}

describe('the retry budget', () => {
  it('of 500 lasts for 100 retries', () => {
    expect(takeAll(new RetryBudget(500))).toBe(100)
  })

  it('of 500 lasts for 500 streams that are gone on from', () => {
    const budget = new RetryBudget(500)
    let taken = 0
    while (taken < 1_000 && budget.takeForResume('t')) taken++
    expect(taken).toBe(500)
    expect(budget.take()).toBe(false)
  })

  it('gives one retry back for five answers', () => {
    const budget = new RetryBudget(500)
    takeAll(budget)
    for (let answers = 0; answers < 4; answers++) budget.refill()
    expect(budget.take()).toBe(false)
    budget.refill()
    expect(budget.take()).toBe(true)
    expect(budget.take()).toBe(false)
  })

  it('never holds more than its size', () => {
    const budget = new RetryBudget(500)
    for (let answers = 0; answers < 10_000; answers++) budget.refill()
    expect(takeAll(budget)).toBe(100)
  })

  it('in the long run allows one retry for five calls', () => {
    const budget = new RetryBudget(500)
    takeAll(budget)
    let retries = 0
    for (let calls = 0; calls < 1_000; calls++) {
      budget.refill()
      if (budget.take()) retries++
    }
    expect(retries).toBe(200)
  })

  it('of 0 is off', () => {
    expect(takeAll(new RetryBudget(0), 500)).toBe(500)
  })

  it('of one tenant that is used up leaves the others theirs', () => {
    const budget = new RetryBudget(500)
    // Successes of others fill the bucket of the process meanwhile.
    let taken = 0
    for (let calls = 0; calls < 1_000; calls++) {
      for (let drops = 0; drops < 5; drops++) budget.refill('good')
      if (budget.take('bad')) taken++
    }
    expect(taken).toBe(100)
    expect(budget.take('good')).toBe(true)
    expect(budget.take()).toBe(true)
    for (let answers = 0; answers < 5; answers++) budget.refill('bad')
    expect(takeAll(budget, 1_000, 'bad')).toBe(1)
  })

  it('of the process bounds what all tenants take together', () => {
    const budget = new RetryBudget(500)
    let taken = 0
    for (let tenant = 0; tenant < 1_000; tenant++) if (budget.take(`tenant ${tenant}`)) taken++
    expect(taken).toBe(100)
    expect(budget.take()).toBe(false)
  })

  it('takes nothing from one bucket when the other has not enough', () => {
    const budget = new RetryBudget(10)
    expect(takeAll(budget, 10, 'a')).toBe(2)
    expect(budget.take('b')).toBe(false)
    for (let answers = 0; answers < 10; answers++) budget.refill()
    // Had the refusal cost b something, one of these two would fail.
    expect(takeAll(budget, 10, 'b')).toBe(2)
  })

  it('of a tenant never holds more than its size', () => {
    const budget = new RetryBudget(10)
    budget.take('a')
    for (let answers = 0; answers < 1_000; answers++) budget.refill('a')
    expect(takeAll(budget, 10, 'a')).toBe(2)
  })

  it('does in any order of things what full buckets and a sum for each would do', () => {
    const step = fc.record({ tenant: fc.constantFrom(undefined, 'a', 'b'), take: fc.boolean() })
    const sequence = fc.property(fc.constantFrom(0, 4, 5, 12), fc.array(step, { maxLength: 200 }), (size, steps) => {
      const budget = new RetryBudget(size)
      const left: Record<string, number> = { all: size, a: size, b: size }
      for (const { tenant, take } of steps) {
        const buckets = tenant === undefined ? ['all'] : ['all', tenant]
        if (!take) {
          budget.refill(tenant)
          for (const name of buckets) left[name] = Math.min(size, left[name]! + 1)
          continue
        }
        const may = size === 0 || buckets.every((name) => left[name]! >= 5)
        expect(budget.take(tenant)).toBe(may)
        if (may) for (const name of buckets) left[name]! -= 5
      }
    })
    fc.assert(sequence, { numRuns: 1_000, seed: 1 })
  })
})
