import { describe, expect, it } from 'vitest'

import { RetryBudget } from './budget.ts'

function takeAll(budget: RetryBudget, most = 1_000): number {
  let taken = 0
  while (taken < most && budget.take()) taken++
  return taken
}

describe('the retry budget', () => {
  it('of 500 lasts for 100 retries', () => {
    expect(takeAll(new RetryBudget(500))).toBe(100)
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
})
