import { SurefootError } from '@surefoot/protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { BROKEN, TEXT, createCacheRig } from './cache-rig.ts'
import type { Caller } from './cache-rig.ts'

/** What the queue says when it turns a run away. */
const FULL = new SurefootError({ code: 'QUEUE_FULL', message: 'full' })

/** Something that happens after so many milliseconds. */
const happening = fc.oneof(
  fc.record({
    kind: fc.constant('ask' as const),
    afterMs: fc.nat(150),
    question: fc.constantFrom('a', 'b'),
    tenant: fc.constantFrom(undefined, 't'),
    buffered: fc.boolean(),
    readMs: fc.constantFrom(0, 0, 70, 1_000),
    deadlineAtMs: fc.constantFrom(500, 5_000, 900_000),
  }),
  fc.record({ kind: fc.constant('abort' as const), afterMs: fc.nat(150), whom: fc.nat(20) }),
)

it('whoever stays is answered whole by one run, whoever leaves is let go, and nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 1, maxLength: 25 }), async (happenings) => {
      const rig = createCacheRig()
      const callers: Caller[] = []
      for (const next of happenings) {
        await rig.time.advance(next.afterMs)
        if (next.kind === 'ask') callers.push(rig.ask(next))
        else callers[next.whom % (callers.length || 1)]?.controller.abort('left')
      }
      await rig.time.runUntilIdle()
      await Promise.all(callers.map(({ done }) => done))
      for (const { text, error, answer } of callers) {
        if (error === undefined) expect([text, answer?.message.content]).toEqual([TEXT, TEXT])
        else expect([error, TEXT.startsWith(text)]).toEqual(['left', true])
      }
      // A question is asked again only after all who waited for it had left.
      const runs = Map.groupBy(rig.runs, ({ call }) => `${call.tenant} ${call.request.messages[0]!.content}`)
      for (const ofOne of runs.values()) {
        for (const earlier of ofOne.slice(0, -1)) expect(earlier.context.signal.aborted).toBe(true)
      }
      expect(rig.time.pendingTimers).toBe(0)
      expect(callers.map(({ listeners }) => listeners())).toEqual(callers.map(() => 0))
      for (const { ends } of rig.runs) expect(ends).toHaveLength(1)
    }),
    { numRuns: 300, seed: 1 },
  )
})

it('runs that break or are refused fail only for who read along, and never twice for the same answer', async () => {
  const fate = fc.constantFrom('whole', 'whole', 'breaks', 'fails', 'refused')
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { minLength: 1, maxLength: 20 }),
      fc.array(fate),
      async (happenings, fates) => {
        const rig = createCacheRig({}, (_call, nth) => {
          const how = fates[nth - 1] ?? 'whole'
          if (how === 'refused') return { refuses: FULL }
          return how === 'whole' ? {} : { breaksAfter: how === 'breaks' ? 2 : 0 }
        })
        const callers: { caller: Caller; buffered: boolean }[] = []
        for (const next of happenings) {
          await rig.time.advance(next.afterMs)
          if (next.kind === 'ask') callers.push({ caller: rig.ask(next), buffered: next.buffered })
          else callers[next.whom % (callers.length || 1)]?.caller.controller.abort('left')
        }
        await rig.time.runUntilIdle()
        await Promise.all(callers.map(({ caller }) => caller.done))
        for (const { caller, buffered } of callers) {
          const { text, error } = caller
          if (error === undefined) expect(text).toBe(TEXT)
          else expect(TEXT.startsWith(text)).toBe(true)
          expect([undefined, 'left', BROKEN, FULL]).toContain(error)
          // A body below this layer that breaks here is one that `retry` has given up: half of it is never shown as whole.
          if (buffered && error === BROKEN) expect(['', 'Water is']).toContain(text)
        }
        expect(rig.time.pendingTimers).toBe(0)
        expect(callers.map(({ caller }) => caller.listeners())).toEqual(callers.map(() => 0))
        for (const { ends } of rig.runs) expect(ends).toHaveLength(1)
      },
    ),
    { numRuns: 300, seed: 1 },
  )
})
