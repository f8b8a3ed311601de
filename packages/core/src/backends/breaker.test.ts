import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Breaker } from './breaker.ts'
import type { BreakerChange, BreakerOptions, BreakerOutcome, Permit } from './breaker.ts'

const OPTIONS: BreakerOptions = { threshold: 5, openMs: 60_000, earlyClose: true }

/** A breaker with a clock in its hand. */
function createRig(options: Partial<BreakerOptions> = {}) {
  const changes: BreakerChange[] = []
  const breaker = new Breaker({ ...OPTIONS, ...options }, 0, (change) => changes.push(change))
  let nowMs = 0
  const rig = {
    breaker,
    changes,
    get nowMs() {
      return nowMs
    },
    pass(ms: number): void {
      nowMs += ms
    },
    admits: (isLast = false): boolean => breaker.admits(nowMs, isLast),
    admit: (): Permit => breaker.admit(nowMs),
    token: (permit: Permit): void => permit.firstToken(nowMs),
    end: (permit: Permit, outcome: BreakerOutcome, reason = 'BACKEND_FAILED'): void =>
      permit.end(outcome, nowMs, outcome === 'failure' ? reason : ''),
    /** Attempts one after the other, each ended before the next. */
    run(...outcomes: BreakerOutcome[]): void {
      for (const outcome of outcomes) rig.end(rig.admit(), outcome)
    },
    trip(reason?: string): void {
      for (let count = 0; count < (options.threshold ?? OPTIONS.threshold); count++) {
        rig.end(rig.admit(), 'failure', reason)
      }
    },
    /** Open, and then as long as it takes until one call may probe. */
    untilProbe(): void {
      rig.trip()
      rig.pass(60_000)
    },
  }
  return rig
}

describe('the numbers of the guide: 5 failures in a row, 60 s, one probe', () => {
  it('opens with the fifth failure in a row, and says so once', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'failure', 'failure')
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(4)
    rig.run('failure')
    expect(rig.breaker.state).toBe('open')
    expect(rig.admits()).toBe(false)
    expect(rig.changes).toEqual([{ state: 'open', failures: 5, reason: 'BACKEND_FAILED' }])
  })

  it('a success starts the row anew', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'failure', 'failure', 'success', 'failure', 'failure', 'failure', 'failure')
    expect(rig.breaker.state).toBe('closed')
    rig.run('failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('lets one call probe after 60 s, not before, and closes on its success', () => {
    const rig = createRig()
    rig.trip('CANNOT_CONNECT')
    rig.pass(59_999)
    expect(rig.admits()).toBe(false)
    rig.pass(1)
    expect(rig.admits()).toBe(true)
    expect(rig.breaker.state).toBe('open')
    const probe = rig.admit()
    expect(rig.breaker.state).toBe('half-open')
    rig.end(probe, 'success')
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(0)
    expect(rig.changes.map(({ state, reason }) => `${state}: ${reason}`)).toEqual([
      'open: CANNOT_CONNECT',
      'half-open: CANNOT_CONNECT',
      'closed: CANNOT_CONNECT',
    ])
  })

  it('a probe that fails opens it for another 60 s', () => {
    const rig = createRig()
    rig.untilProbe()
    rig.end(rig.admit(), 'failure', 'RESPONSE_TIMEOUT')
    expect(rig.breaker.state).toBe('open')
    expect(rig.breaker.reason).toBe('RESPONSE_TIMEOUT')
    rig.pass(59_999)
    expect(rig.admits()).toBe(false)
    rig.pass(1)
    expect(rig.admits()).toBe(true)
  })

  it('asking whether it admits changes nothing, however often', () => {
    const rig = createRig()
    rig.untilProbe()
    for (let count = 0; count < 100; count++) expect(rig.admits()).toBe(true)
    expect(rig.breaker.state).toBe('open')
    expect(rig.changes).toHaveLength(1)
  })
})

describe('the seven traps of breakers made for short calls, section 2.6 of the reliability reference', () => {
  it('1: while one call probes, the others are not admitted, and so free to go elsewhere', () => {
    const rig = createRig()
    rig.untilProbe()
    const probe = rig.admit()
    for (let count = 0; count < 20; count++) expect(rig.admits(count % 2 === 0)).toBe(false)
    rig.pass(800)
    rig.end(probe, 'success')
    expect(rig.admits()).toBe(true)
  })

  it("2: a caller's mistake in half-open does not close it; the next call probes", () => {
    const rig = createRig()
    rig.untilProbe()
    rig.end(rig.admit(), 'neutral')
    expect(rig.breaker.state).toBe('half-open')
    rig.end(rig.admit(), 'failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('3: an abort in half-open does not close it', () => {
    const rig = createRig()
    rig.untilProbe()
    const probe = rig.admit()
    rig.pass(10_000)
    rig.end(probe, 'neutral')
    expect(rig.breaker.state).toBe('half-open')
    expect(rig.changes.map(({ state }) => state)).toEqual(['open', 'half-open'])
    expect(rig.admits()).toBe(true)
  })

  it('4: a call begun before it opened that fails late does not open it again', () => {
    const rig = createRig()
    const straggler = rig.admit()
    rig.untilProbe()
    const probe = rig.admit()
    rig.end(straggler, 'failure', 'STREAM_INTERRUPTED')
    expect(rig.breaker.state).toBe('half-open')
    rig.end(probe, 'success')
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(0)
  })

  it('4: nor does one that succeeds late close it', () => {
    const rig = createRig()
    const straggler = rig.admit()
    rig.trip()
    rig.token(straggler)
    rig.end(straggler, 'success')
    expect(rig.breaker.state).toBe('open')
    rig.pass(60_000)
    rig.admit()
    rig.token(straggler)
    expect(rig.breaker.state).toBe('half-open')
  })

  it('5: a long success that began before the failures does not hide them', () => {
    const rig = createRig()
    const long = rig.admit()
    rig.run('failure', 'failure', 'failure', 'failure')
    rig.end(long, 'success')
    expect(rig.breaker.failures).toBe(4)
    rig.run('failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('6: failures count in a row whatever lies between them in time; a success ends the row, not an old window', () => {
    const rig = createRig()
    for (let count = 0; count < 4; count++) {
      rig.run('failure')
      rig.pass(3_600_000)
    }
    rig.run('success')
    expect(rig.breaker.failures).toBe(0)
    for (let count = 0; count < 4; count++) {
      rig.run('failure')
      rig.pass(60_000)
    }
    expect(rig.breaker.state).toBe('closed')
    rig.run('failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('7: at one call a second and nothing but failures it opens with the fifth', () => {
    const rig = createRig()
    let admitted = 0
    for (let second = 0; second < 30; second++) {
      if (rig.admits()) {
        admitted++
        rig.run('failure')
      }
      rig.pass(1_000)
    }
    expect(admitted).toBe(5)
    expect(rig.breaker.state).toBe('open')
  })
})

describe('the order of admission', () => {
  it('counts as admitted, not as ended', () => {
    const rig = createRig()
    const permits = Array.from({ length: 6 }, rig.admit)
    // The third succeeds last: until then it interrupts the row, afterwards it ends it.
    for (const at of [5, 0, 4, 1, 3]) rig.end(permits[at]!, 'failure')
    expect(rig.breaker.state).toBe('closed')
    rig.end(permits[2]!, 'success')
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(3)
  })

  it('an undecided attempt interrupts the row; when it fails, it joins what stands left and right of it', () => {
    const rig = createRig()
    rig.run('failure', 'failure')
    const undecided = rig.admit()
    rig.run('failure', 'failure')
    expect(rig.breaker.state).toBe('closed')
    rig.end(undecided, 'failure')
    expect(rig.breaker.state).toBe('open')
    expect(rig.breaker.failures).toBe(5)
  })

  it('a neutral end is passed over: it joins the failures around it', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'neutral')
    const undecided = rig.admit()
    rig.run('failure', 'failure', 'failure')
    expect(rig.breaker.state).toBe('closed')
    rig.end(undecided, 'neutral')
    expect(rig.breaker.state).toBe('open')
    expect(rig.breaker.failures).toBe(5)
  })

  it('shows the failures so far also while a call is under way', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'failure')
    rig.admit()
    expect(rig.breaker.failures).toBe(3)
  })

  it('neutral ends alone never open it, and never hold it closed', () => {
    const rig = createRig()
    rig.run(...Array.from({ length: 1_000 }, () => 'neutral' as const))
    expect(rig.breaker.state).toBe('closed')
    rig.run('failure', 'neutral', 'failure', 'neutral', 'failure', 'neutral', 'failure', 'neutral', 'failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('an end counts once', () => {
    const rig = createRig()
    const permit = rig.admit()
    for (let count = 0; count < 10; count++) rig.end(permit, 'failure')
    expect(rig.breaker.failures).toBe(1)
  })
})

describe('streams', () => {
  it('the first token is a success; an end in the middle turns it into a failure', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'failure', 'failure')
    const permit = rig.admit()
    rig.token(permit)
    expect(rig.breaker.failures).toBe(0)
    rig.pass(30_000)
    rig.end(permit, 'failure', 'STREAM_INTERRUPTED')
    expect(rig.breaker.state).toBe('open')
    expect(rig.breaker.reason).toBe('STREAM_INTERRUPTED')
  })

  it('an abort after the first token leaves it a success', () => {
    const rig = createRig()
    rig.run('failure', 'failure', 'failure', 'failure')
    const permit = rig.admit()
    rig.token(permit)
    rig.end(permit, 'neutral')
    rig.run('failure')
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(1)
  })

  it('the first token ends a probe: the next call need not wait for the last one', () => {
    const rig = createRig()
    rig.untilProbe()
    const probe = rig.admit()
    rig.pass(500)
    rig.token(probe)
    expect(rig.breaker.state).toBe('closed')
    expect(rig.admits()).toBe(true)
  })

  it('a later fault of the stream that closed it counts as the first failure of a new row', () => {
    const rig = createRig()
    rig.untilProbe()
    const probe = rig.admit()
    rig.token(probe)
    rig.run('failure', 'failure', 'failure', 'failure')
    expect(rig.breaker.state).toBe('closed')
    rig.end(probe, 'failure', 'STREAM_INTERRUPTED')
    expect(rig.breaker.state).toBe('open')
  })

  it('twenty streams cut at once are one event', () => {
    const rig = createRig()
    const streams = Array.from({ length: 20 }, rig.admit)
    for (const stream of streams) rig.token(stream)
    rig.pass(5_000)
    for (const stream of streams) {
      rig.end(stream, 'failure', 'STREAM_INTERRUPTED')
      rig.pass(40)
    }
    expect(rig.breaker.state).toBe('closed')
    expect(rig.breaker.failures).toBe(1)
    // And the other nineteen do not interrupt what follows.
    rig.run('failure', 'failure', 'failure', 'failure')
    expect(rig.breaker.state).toBe('open')
  })

  it('streams cut a second apart are events of their own', () => {
    const rig = createRig()
    const streams = Array.from({ length: 5 }, rig.admit)
    for (const stream of streams) rig.token(stream)
    for (const stream of streams) {
      rig.end(stream, 'failure', 'STREAM_INTERRUPTED')
      rig.pass(1_000)
    }
    expect(rig.breaker.state).toBe('open')
  })
})

describe('when it may be tried again', () => {
  const delays = (isLast: boolean, options: Partial<BreakerOptions> = {}): number[] => {
    const rig = createRig(options)
    rig.trip()
    return Array.from({ length: 9 }, () => {
      const waitMs = rig.breaker.nextProbeMs(isLast)! - rig.nowMs
      rig.pass(waitMs - 1)
      expect(rig.admits(isLast)).toBe(false)
      rig.pass(1)
      expect(rig.admits(isLast)).toBe(true)
      rig.end(rig.admit(), 'failure')
      return waitMs
    })
  }

  it('the last backend of a model is tried after 1, 2, 4 … 60 s', () => {
    expect(delays(true)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  })

  it('one of several only after the full time', () => {
    expect(delays(false)).toEqual(Array.from({ length: 9 }, () => 60_000))
  })

  it('never later than the open time', () => {
    expect(delays(true, { openMs: 3_000 })).toEqual([1_000, 2_000, ...Array.from({ length: 7 }, () => 3_000)])
  })

  it("the guide's preset waits the literal 60 s, also for the last one", () => {
    expect(delays(true, { earlyClose: false })).toEqual(Array.from({ length: 9 }, () => 60_000))
  })

  it('a success in between starts at one second again', () => {
    const rig = createRig()
    rig.trip()
    rig.pass(1_000)
    rig.end(rig.admit(), 'failure')
    expect(rig.breaker.nextProbeMs(true)! - rig.nowMs).toBe(2_000)
    rig.pass(2_000)
    rig.end(rig.admit(), 'success')
    rig.trip()
    expect(rig.breaker.nextProbeMs(true)! - rig.nowMs).toBe(1_000)
  })

  it('a backend that was away and is back may be probed at once, by one call', () => {
    const rig = createRig()
    rig.trip('CANNOT_CONNECT')
    rig.pass(300)
    rig.breaker.returned(rig.nowMs)
    expect(rig.breaker.state).toBe('half-open')
    expect(rig.breaker.reason).toBe('CANNOT_CONNECT')
    expect(rig.admits()).toBe(true)
    const probe = rig.admit()
    expect(rig.admits()).toBe(false)
    rig.breaker.returned(rig.nowMs)
    expect(rig.admits()).toBe(false)
    rig.end(probe, 'success')
    expect(rig.changes.map(({ state }) => state)).toEqual(['open', 'half-open', 'closed'])
  })

  it('to have returned means nothing to a closed one, and nothing with the literal 60 s', () => {
    const closed = createRig()
    closed.breaker.returned(0)
    expect(closed.breaker.state).toBe('closed')
    const literal = createRig({ earlyClose: false })
    literal.trip()
    literal.breaker.returned(0)
    expect(literal.breaker.state).toBe('open')
  })

  it('admits exactly one of a hundred that ask at the same moment', () => {
    const rig = createRig()
    rig.untilProbe()
    const admitted = Array.from({ length: 100 }, () => (rig.admits() ? rig.admit() : undefined)).filter(Boolean)
    expect(admitted).toHaveLength(1)
  })
})

type Step =
  | { readonly do: 'admit' }
  | { readonly do: 'returned' }
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: BreakerOutcome | 'token'; readonly which: 'oldest' | 'newest' }

const STEPS: readonly Step[] = [
  { do: 'admit' },
  ...(['success', 'failure', 'neutral', 'token'] as const).flatMap((what): Step[] => [
    { do: what, which: 'oldest' },
    { do: what, which: 'newest' },
  ]),
  { do: 'tick', ms: 1_000 },
  { do: 'tick', ms: 60_000 },
  { do: 'returned' },
]

describe('in whatever order things happen', () => {
  it('never has more than one probe under way, and nothing from before an opening ever moves it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...STEPS), { minLength: 60, maxLength: 60 }), (steps) => {
        const rig = createRig({ threshold: 2 })
        const open: { permit: Permit; isProbe: boolean; openings: number }[] = []
        const openings = (): number => rig.changes.filter(({ state }) => state === 'open').length
        for (const step of steps) {
          if (step.do === 'tick') rig.pass(step.ms)
          else if (step.do === 'returned') rig.breaker.returned(rig.nowMs)
          else if (step.do === 'admit') {
            if (!rig.admits()) continue
            const permit = rig.admit()
            open.push({ permit, isProbe: rig.breaker.state === 'half-open', openings: openings() })
          } else {
            const attempt = step.which === 'oldest' ? open[0] : open.at(-1)
            if (attempt === undefined) continue
            const { state } = rig.breaker
            if (step.do === 'token') rig.token(attempt.permit)
            else {
              rig.end(attempt.permit, step.do)
              open.splice(open.indexOf(attempt), 1)
            }
            if (attempt.openings < openings() && rig.breaker.state !== state) expect(rig.breaker.state).toBe('open')
          }
          const probes = open.filter((attempt) => attempt.isProbe && attempt.openings === openings())
          if (rig.breaker.state === 'half-open') expect(probes.length).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 2_000, seed: 2 },
    )
  })
})
