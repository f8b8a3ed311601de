import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  SamplingBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel'
import type { CircuitBreakerPolicy } from 'cockatiel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

// Why chats have a breaker of their own (`breaker.ts`) and only the short calls have cockatiel's: what its breaker does
// with calls that last minutes. Should one of these fail after an update, that trap is gone. The numbers are those of
// section 2.6 of the reliability reference.

class BackendFault extends Error {}

const onlyBackendFaults = handleWhen((error) => error instanceof BackendFault)

const fail = async (): Promise<never> => {
  throw new BackendFault('status 500')
}
const after = (ms: number, how: () => unknown): Promise<unknown> =>
  new Promise((resolve) => setTimeout(resolve, ms)).then(how)

async function tripped(): Promise<CircuitBreakerPolicy> {
  const breaker = circuitBreaker(onlyBackendFaults, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) })
  for (let count = 0; count < 5; count++) await breaker.execute(fail).catch(() => {})
  expect(breaker.state).toBe(CircuitState.Open)
  return breaker
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe("cockatiel's breaker around calls of minutes", () => {
  it('1: in half-open, the other callers wait for the probe', async () => {
    const breaker = await tripped()
    await vi.advanceTimersByTimeAsync(60_000)
    const probe = breaker.execute(() => after(120_000, () => 'answer'))
    const startedAtMs = Date.now()
    const second = breaker.execute(() => 'second').then(() => Date.now() - startedAtMs)
    await vi.advanceTimersByTimeAsync(120_000)
    await probe
    expect(await second).toBe(120_000)
  })

  it("2: a caller's mistake in half-open closes it", async () => {
    const breaker = await tripped()
    await vi.advanceTimersByTimeAsync(60_000)
    await expect(
      breaker.execute(() => {
        throw new TypeError('status 400')
      }),
    ).rejects.toThrow('status 400')
    expect(breaker.state).toBe(CircuitState.Closed)
  })

  it('3: an abort in half-open closes it', async () => {
    const breaker = await tripped()
    await vi.advanceTimersByTimeAsync(60_000)
    const controller = new AbortController()
    const probe = breaker.execute(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new DOMException('left', 'AbortError')))
        }),
      controller.signal,
    )
    controller.abort()
    await expect(probe).rejects.toThrow('left')
    expect(breaker.state).toBe(CircuitState.Closed)
  })

  it('4: a call begun before it opened that fails late opens it again', async () => {
    const breaker = circuitBreaker(onlyBackendFaults, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) })
    const straggler = breaker.execute(() => after(61_000, fail)).catch(() => {})
    for (let count = 0; count < 5; count++) await breaker.execute(fail).catch(() => {})
    await vi.advanceTimersByTimeAsync(60_000)
    const probe = breaker.execute(() => after(10_000, () => 'answer'))
    expect(breaker.state).toBe(CircuitState.HalfOpen)
    await vi.advanceTimersByTimeAsync(1_000)
    await straggler
    expect(breaker.state).toBe(CircuitState.Open)
    await vi.advanceTimersByTimeAsync(10_000)
    await probe
  })

  it('5: a long success that began earlier hides the failures after it', async () => {
    const breaker = circuitBreaker(onlyBackendFaults, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) })
    const long = breaker.execute(() => after(10_000, () => 'answer'))
    for (let count = 0; count < 4; count++) await breaker.execute(fail).catch(() => {})
    await vi.advanceTimersByTimeAsync(10_000)
    await long
    for (let count = 0; count < 4; count++) await breaker.execute(fail).catch(() => {})
    expect(breaker.state).toBe(CircuitState.Closed)
  })

  it('6: its sampling window does not forget under sparse traffic: six failures, a minute apart, in a window of 30 s', async () => {
    const breaker = circuitBreaker(onlyBackendFaults, {
      halfOpenAfter: 60_000,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 30_000, minimumRps: 0.2 }),
    })
    for (let count = 0; count < 6; count++) {
      await breaker.execute(fail).catch(() => {})
      if (count < 5) await vi.advanceTimersByTimeAsync(60_000)
    }
    expect(breaker.state).toBe(CircuitState.Open)
  })

  it('7: its sampling rule never opens at one call a second, all failing', async () => {
    const breaker = circuitBreaker(onlyBackendFaults, {
      halfOpenAfter: 60_000,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 30_000 }),
    })
    for (let second = 0; second < 2_000; second++) {
      await expect(breaker.execute(fail)).rejects.not.toBeInstanceOf(BrokenCircuitError)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(breaker.state).toBe(CircuitState.Closed)
  })
})
