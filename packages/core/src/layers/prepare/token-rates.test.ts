import { describe, expect, it } from 'vitest'

import { TokenRates } from './token-rates.ts'

describe('bytes per token', () => {
  it('are learned of each model alone, and the latest prompts count most', () => {
    const rates = new TokenRates()
    expect(rates.of('llama3.2')).toBeUndefined()
    rates.learn('llama3.2', 4_000, 1_000)
    expect(rates.of('llama3.2')).toBe(4)
    for (let prompt = 0; prompt < 30; prompt++) rates.learn('llama3.2', 3_000, 1_000)
    expect(rates.of('llama3.2')).toBeCloseTo(3, 2)
    expect(rates.of('qwen3')).toBeUndefined()
  })

  it('a long prompt says more than a short one, in which the words of the template count', () => {
    const rates = new TokenRates()
    rates.learn('llama3.2', 40_000, 10_000)
    rates.learn('llama3.2', 200, 100)
    expect(rates.of('llama3.2')).toBeGreaterThan(3.9)
  })

  it('nothing is learned from few tokens, nor from the count of a part', () => {
    const rates = new TokenRates()
    rates.learn('llama3.2', 300, 30)
    rates.learn('llama3.2', 40_000, 200)
    expect(rates.of('llama3.2')).toBeUndefined()
  })
})
