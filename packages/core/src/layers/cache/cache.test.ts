import { SurefootError } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { BASE, BROKEN, MESSAGES, TEXT, createCacheRig } from '../../../test/cache-rig.ts'
import type { AskOptions, Caller } from '../../../test/cache-rig.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import type { Call } from '../../service.ts'

describe('a question that was answered before', () => {
  it('is answered from memory, in one piece, with the statistics as they were, and says so', async () => {
    const rig = createCacheRig()
    const first = rig.ask()
    await rig.time.runUntilIdle()
    expect(first.answer).toMatchObject({ served: 'model', attempts: 1, backend: 'http://a:1' })
    await rig.time.advance(5_000)
    const second = rig.ask()
    await second.done
    expect(rig.runs).toHaveLength(1)
    expect(second).toMatchObject({ text: TEXT, events: [] })
    expect(second.answer).toMatchObject({
      served: 'cache',
      attempts: 0,
      eval_count: 4,
      done_reason: 'stop',
      cachedAtMs: 1_800_000_000_400,
      message: { role: 'assistant', content: TEXT },
    })
    expect(second.answer).not.toHaveProperty('backend')
    expect(rig.results()).toEqual(['miss', 'hit'])
    expect(rig.answers.stats).toMatchObject({ entries: 1, hits: 1, joined: 0, misses: 1 })
  })

  it('is printed as Ollama prints it', async () => {
    const rig = createCacheRig()
    rig.ask()
    await rig.time.runUntilIdle()
    const call = rig.runs[0]!.call
    const reply = rig.answers.fresh(rig.answers.keyOf(call)!, call.model)!
    const first = await reply.body.next()
    const last = await reply.body.next()
    const lines = [first.value, last.value].map((line) => JSON.parse(Buffer.from(line!.bytes).toString()) as unknown)
    expect(lines).toEqual([
      { ...BASE, message: { role: 'assistant', content: TEXT }, done: false },
      { ...BASE, message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', eval_count: 4 },
    ])
  })

  it('is asked again once the answer is old', async () => {
    const rig = createCacheRig({ cacheTtlMs: 10_000 })
    rig.ask()
    await rig.time.runUntilIdle()
    await rig.time.advance(9_999)
    const young = rig.ask()
    await young.done
    expect(young.answer?.served).toBe('cache')
    await rig.time.advance(1)
    const old = rig.ask()
    await rig.time.runUntilIdle()
    expect(old.answer?.served).toBe('model')
    expect(rig.runs).toHaveLength(2)
  })

  it.each([
    ['another temperature', { options: { temperature: 0, top_p: 0.5 } }],
    ['another seed', { options: { temperature: 0, seed: 1 } }],
    ['another question', { question: 'What is wet?' }],
    ['another tenant', { tenant: 'b' }],
    ['no tenant', { tenant: undefined }],
  ] as const)('is another one with %s', async (_name, more) => {
    const rig = createCacheRig()
    rig.ask({ tenant: 'a' })
    await rig.time.runUntilIdle()
    rig.ask({ tenant: 'a', ...more })
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(2)
  })

  it('is another one when the tag stands for another model', async () => {
    const rig = createCacheRig()
    rig.ask()
    await rig.time.runUntilIdle()
    // Not known until now: then it is taken for the one that is known first.
    rig.digests.set('llama3.2', 'd1')
    const same = rig.ask()
    await same.done
    expect(same.answer?.served).toBe('cache')
    rig.digests.set('llama3.2', 'd2')
    rig.ask()
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(2)
  })

  it.each(['whoever asked first', 'who joined later'])(
    'is another one when the tag changes while %s waits',
    async (who) => {
      const rig = createCacheRig()
      rig.digests.set('llama3.2', 'd1')
      const first = rig.ask()
      await rig.time.advance(250)
      rig.digests.set('llama3.2', 'd2')
      if (who === 'who joined later') {
        rig.ask()
        first.controller.abort('left')
      }
      await rig.time.runUntilIdle()
      expect(rig.runs).toHaveLength(1)
      rig.ask()
      await rig.time.runUntilIdle()
      expect(rig.runs).toHaveLength(2)
    },
  )
})

describe('which calls are shared', () => {
  it.each([
    [true, { options: { temperature: 0 } }],
    [true, { options: { temperature: 0.8, seed: 0 } }],
    [true, { options: { top_k: 1 } }],
    [true, { options: { temperature: 0.8 }, cache: true }],
    [false, { options: { temperature: 0.8 } }],
    [false, { options: { seed: -1 } }],
    [false, { options: {} }],
    [false, { options: { temperature: 0 }, cache: false }],
  ] as const)('%s for %j', async (isShared, asked) => {
    const rig = createCacheRig()
    rig.ask(asked)
    rig.ask(asked)
    await rig.time.runUntilIdle()
    rig.ask(asked)
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(isShared ? 1 : 3)
    expect(rig.results()).toEqual(isShared ? ['miss', 'joined', 'hit'] : [])
  })
})

describe('what is never kept', () => {
  it.each([
    ['an answer that was cut short', { final: { done_reason: 'length' } }],
    ['one that says nothing', { words: [' ', '\n'] }],
    ['one that broke', { breaksAfter: 2 }],
    ['a refusal', { refuses: new SurefootError({ code: 'QUEUE_FULL', message: 'full' }) }],
  ] as const)('%s', async (_name, script) => {
    const rig = createCacheRig({}, script)
    rig.ask()
    await rig.time.runUntilIdle()
    rig.ask()
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(2)
    expect(rig.answers.stats.entries).toBe(0)
  })

  it('what was aborted', async () => {
    const rig = createCacheRig()
    const caller = rig.ask()
    await rig.time.advance(250)
    caller.controller.abort('left')
    await rig.time.runUntilIdle()
    expect(rig.answers.stats.entries).toBe(0)
  })

  it('what whoever stands above finds fault with', async () => {
    const rig = createCacheRig()
    const rejecting = rig.ask({ rejects: true })
    await rig.time.runUntilIdle()
    expect(rejecting.text).toBe(TEXT)
    rig.ask()
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(2)
  })

  it('more than the memory may take, or an eighth of it at once', async () => {
    const rig = createCacheRig({ cacheMaxBytes: 10_000 }, ({ request }) => ({
      words: [(request.messages[0]!.content as string).repeat(10)],
    }))
    for (let index = 0; index < 100; index++) rig.ask({ question: `Question ${index}?` })
    rig.ask({ question: 'Long '.repeat(100) })
    await rig.time.runUntilIdle()
    const { entries, bytes } = rig.answers.stats
    expect(entries).toBeGreaterThan(5)
    expect(bytes).toBeLessThanOrEqual(10_000)
    rig.ask({ question: 'Question 99?' })
    rig.ask({ question: 'Long '.repeat(100) })
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(102)
  })
})

describe('a question that is being answered', () => {
  it('is answered once, and all who ask get the whole text from its start', async () => {
    const rig = createCacheRig()
    const callers = [rig.ask()]
    for (const atMs of [40, 60, 160, 260, 390]) {
      await rig.time.advance(atMs - rig.time.clock.monotonicMs())
      callers.push(rig.ask())
    }
    await rig.time.runUntilIdle()
    expect(rig.runs).toHaveLength(1)
    expect(callers.map(({ text }) => text)).toEqual(callers.map(() => TEXT))
    for (const { answer } of callers) {
      expect(answer).toMatchObject({ served: 'model', attempts: 1, backend: 'http://a:1', eval_count: 4 })
    }
    expect(rig.results()).toEqual(['miss', 'joined', 'joined', 'joined', 'joined', 'joined'])
    expect(callers.map(({ listeners }) => listeners())).toEqual(callers.map(() => 0))
  })

  it('tells each of them what happens from then on, and where things stand', async () => {
    const rig = createCacheRig({}, { firstMs: 200 })
    const first = rig.ask()
    await rig.time.advance(10)
    const second = rig.ask()
    await rig.time.advance(100)
    const third = rig.ask()
    await rig.time.runUntilIdle()
    const types = ({ events }: Caller): string[] => events.map(({ type }) => type)
    expect([first, second, third].map(types)).toEqual([['queued', 'attempt'], ['queued', 'attempt'], ['attempt']])
  })

  it('counts attempts on from where each of them is', async () => {
    const rig = createCacheRig()
    rig.ask()
    const later = rig.ask({ context: { attempt: 3 } })
    await rig.time.runUntilIdle()
    expect(later.events).toContainEqual({ type: 'attempt', attempt: 3, backend: 'http://a:1' })
  })

  it('goes on when the one who asked first leaves', async () => {
    const rig = createCacheRig()
    const first = rig.ask()
    await rig.time.advance(20)
    const second = rig.ask()
    await rig.time.advance(230)
    const third = rig.ask()
    first.controller.abort('left')
    await rig.time.runUntilIdle()
    expect(first.error).toBe('left')
    expect([second.text, third.text]).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(1)
    expect(rig.runs[0]!.cutAtMs).toBeUndefined()
  })

  it.each([
    ['before the first word', 60],
    ['in the middle', 250],
  ])('ends at once when the last one leaves, %s', async (_when, atMs) => {
    const rig = createCacheRig()
    const callers = [rig.ask(), rig.ask({ buffered: true }), rig.ask()]
    await rig.time.advance(atMs)
    for (const [index, { controller }] of callers.entries()) {
      expect(rig.runs[0]!.cutAtMs).toBeUndefined()
      controller.abort(`left ${index}`)
    }
    expect(rig.runs[0]!.context.signal.aborted).toBe(true)
    expect(rig.runs[0]!.cutAtMs).toBe(atMs)
    await rig.time.runUntilIdle()
    expect(callers.map(({ error }) => error)).toEqual(['left 0', 'left 1', 'left 2'])
    expect(rig.runs[0]!.ends).toEqual([{ kind: 'aborted' }])
    // Nobody is given what is over.
    const next = rig.ask()
    await rig.time.runUntilIdle()
    expect(next.text).toBe(TEXT)
    expect(rig.runs).toHaveLength(2)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('ends at once when the last reader breaks off', async () => {
    const rig = createCacheRig()
    const callers = [rig.ask({ leavesAfter: 1 }), rig.ask({ leavesAfter: 2 })]
    await rig.time.runUntilIdle()
    expect(callers.map(({ text }) => text)).toEqual(['Water', 'Water is'])
    expect(rig.runs[0]!.cutAtMs ?? 0).toBeLessThanOrEqual(300)
    expect(rig.runs[0]!.context.signal.aborted).toBe(true)
  })

  it('is let go of by who leaves at any moment of the look into the second level', async () => {
    for (let turns = 0; turns < 20; turns++) {
      const second = { isUp: true, get: async () => undefined, set: () => {}, close: async () => {} }
      const rig = createCacheRig({}, {}, second)
      const caller = rig.ask()
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      caller.controller.abort('left')
      await rig.time.runUntilIdle()
      expect([turns, caller.error, caller.text]).toEqual([turns, 'left', ''])
      for (const { context } of rig.runs) expect(context.signal.aborted).toBe(true)
      expect([caller.listeners(), rig.time.pendingTimers]).toEqual([0, 0])
    }
  })

  it('is not held up by a slow reader, who still gets it all', async () => {
    const rig = createCacheRig()
    const slow = rig.ask({ readMs: 10_000 })
    const fast = rig.ask()
    await rig.time.advance(400)
    expect(fast.text).toBe(TEXT)
    expect(slow.text).toBe('Water')
    await rig.time.runUntilIdle()
    expect(slow.text).toBe(TEXT)
  })

  it('is fetched no faster than the fastest reader reads', async () => {
    const rig = createCacheRig({}, { wordMs: 0 })
    rig.ask({ readMs: 10_000 })
    rig.ask({ readMs: 20_000 })
    await rig.time.advance(10_500)
    expect(rig.runs[0]!.pulled).toBeLessThanOrEqual(3)
  })

  it('is whole at once for who wants it whole, and piece by piece for who does not', async () => {
    const rig = createCacheRig()
    const streamed = rig.ask()
    const buffered = rig.ask({ buffered: true })
    await rig.time.advance(250)
    expect([streamed.text, buffered.text]).toEqual(['Water is', ''])
    await rig.time.runUntilIdle()
    expect([streamed.text, buffered.text]).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(1)
  })

  it('can still be joined while nobody has read it to its end', async () => {
    const rig = createCacheRig()
    const reader = rig.ask({ readMs: 10_000 })
    const fast = rig.ask({ leavesAfter: 4 })
    await rig.time.advance(5_000)
    expect(fast.text).toBe(TEXT)
    const late = rig.ask()
    await rig.time.runUntilIdle()
    expect([reader.text, late.text]).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(1)
  })
})

describe('a run that fails', () => {
  it('fails for those who read along, and is asked again for who wants it whole', async () => {
    const rig = createCacheRig({}, (_call, nth) => (nth === 1 ? { breaksAfter: 2 } : {}))
    const streamed = rig.ask()
    const buffered = [rig.ask({ buffered: true }), rig.ask({ buffered: true })]
    await rig.time.runUntilIdle()
    expect(streamed).toMatchObject({ text: 'Water is', error: BROKEN })
    expect(buffered.map(({ text }) => text)).toEqual([TEXT, TEXT])
    expect(rig.runs.map(({ call }) => call.buffered)).toEqual([false, true])
    expect(rig.results()).toEqual(['miss', 'joined', 'joined'])
  })

  it('that was refused before a backend was asked is no refusal of those who joined', async () => {
    const full = new SurefootError({ code: 'QUEUE_FULL', message: 'too near' })
    const rig = createCacheRig({}, (_call, nth) => (nth === 1 ? { refuses: full } : {}))
    const hasty = rig.ask({ deadlineAtMs: 60 })
    const patient = [rig.ask(), rig.ask()]
    await rig.time.runUntilIdle()
    expect(hasty.error).toBe(full)
    expect(patient.map(({ text }) => text)).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(2)
  })

  it('that was refused while no backend was usable, after one had failed, is asked again by who came later', async () => {
    const open = new SurefootError({ code: 'BREAKER_OPEN', message: 'open', attempts: 2 })
    const rig = createCacheRig({}, (_call, nth) =>
      nth === 1 ? { firstMs: 60_000, refuses: open, attemptsBefore: 2 } : {},
    )
    const first = rig.ask()
    await rig.time.advance(25_000)
    const late = rig.ask()
    await rig.time.runUntilIdle()
    expect(first.error).toBe(open)
    expect(late.text).toBe(TEXT)
  })

  it('is asked once more for all who joined together, not once for each of them', async () => {
    const full = new SurefootError({ code: 'QUEUE_FULL', message: 'full' })
    const rig = createCacheRig({}, { refuses: full })
    const callers = Array.from({ length: 500 }, () => rig.ask())
    await rig.time.runUntilIdle()
    expect(callers.map(({ error }) => error)).toEqual(callers.map(() => full))
    expect(rig.runs).toHaveLength(2)
  })

  it('is then asked as by the most patient of them', async () => {
    const open = new SurefootError({ code: 'BREAKER_OPEN', message: 'open' })
    const rig = createCacheRig({}, (_call, nth) => (nth === 1 ? { firstMs: 60_000, refuses: open } : {}))
    const ask = (at: number): Caller =>
      rig.ask({ context: { patience: { untilMs: 90_000 + at, ready: { untilMs: 30_000 + at, insteadOf: [] } } } })
    const callers = [ask(0)]
    for (const at of [10_000, 20_000]) {
      await rig.time.advance(10_000)
      callers.push(ask(at))
    }
    await rig.time.runUntilIdle()
    expect(callers.map(({ error, text }) => error ?? text)).toEqual([open, TEXT, TEXT])
    expect(rig.runs[1]!.context).toMatchObject({
      startedAtMs: rig.runs[0]!.context.startedAtMs! + 20_000,
      patience: { untilMs: 110_000, ready: { untilMs: 50_000, insteadOf: [] } },
    })
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('as a better model is back sends all of them there', async () => {
    const back = new BetterModelBack()
    const rig = createCacheRig({}, { refuses: back })
    const callers = [rig.ask(), rig.ask(), rig.ask()]
    await rig.time.runUntilIdle()
    expect(callers.map(({ error }) => error)).toEqual([back, back, back])
    expect(rig.runs).toHaveLength(1)
  })

  it('by an attempt fails for all: what it cost is not spent once more for each of them', async () => {
    const rig = createCacheRig({}, { breaksAfter: 0 })
    const callers = [rig.ask(), rig.ask(), rig.ask()]
    await rig.time.runUntilIdle()
    expect(callers.map(({ error }) => error)).toEqual([BROKEN, BROKEN, BROKEN])
    expect(rig.runs).toHaveLength(1)
  })
})

describe('who has another way to be answered', () => {
  const until = (untilMs: number): AskOptions => ({ context: { patience: { untilMs } } })

  it('waits for a slot no longer than it would alone, whoever else waits longer', async () => {
    const refusal = new SurefootError({ code: 'QUEUE_TIMEOUT', message: 'no slot' })
    const rig = createCacheRig({}, (_call, nth) => (nth === 2 ? { refuses: refusal, firstMs: 0 } : { firstMs: 20_000 }))
    const patient = rig.ask(until(30_000))
    const hasty = rig.ask(until(2_000))
    await rig.time.advance(2_000)
    expect(rig.runs[1]!.context.patience).toEqual({ untilMs: 2_000 })
    expect(hasty.error).toBe(refusal)
    const third = rig.ask(until(30_000))
    await rig.time.runUntilIdle()
    expect([patient.text, third.text]).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(2)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('stays once the run has its slot', async () => {
    const rig = createCacheRig({}, { firstMs: 3_000 })
    const callers = [rig.ask(until(30_000)), rig.ask(until(2_000))]
    await rig.time.runUntilIdle()
    expect(callers.map(({ text }) => text)).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(1)
  })
})

describe('the terms of a run', () => {
  it('are the most generous of those who are in it', async () => {
    const rig = createCacheRig()
    rig.ask({ deadlineAtMs: 10_000, priority: 'low' })
    const { terms } = rig.runs[0]!.context
    const changes: unknown[] = []
    terms!.onChange(() => changes.push([terms!.deadlineAtMs, terms!.priority]))
    expect(terms).toMatchObject({ deadlineAtMs: 10_000, priority: 'low' })
    const generous = rig.ask({ deadlineAtMs: 20_000 })
    rig.ask({ deadlineAtMs: 15_000, priority: 'high' })
    rig.ask({ deadlineAtMs: 5_000, priority: 'low' })
    expect(terms).toMatchObject({ deadlineAtMs: 20_000, priority: 'high' })
    expect(changes).toEqual([
      [20_000, 'normal'],
      [20_000, 'high'],
    ])
    generous.controller.abort('left')
    expect(terms).toMatchObject({ deadlineAtMs: 15_000, priority: 'high' })
    await rig.time.runUntilIdle()
  })
})

describe('who does not share a run', () => {
  it.each([
    ['who must not be gone on for', { resume: false }],
    ['who has another way to be answered', { context: { patience: { untilMs: 900_000 } } }],
    ['who asks again as the context was too small', { context: { reason: 'CONTEXT_OVERFLOW' } }],
  ] as const)('%s', async (_name, asked) => {
    const rig = createCacheRig()
    const callers = [rig.ask(), rig.ask(asked)]
    await rig.time.runUntilIdle()
    expect(callers.map(({ text }) => text)).toEqual([TEXT, TEXT])
    expect(rig.runs).toHaveLength(2)
  })
})

describe('answers for when no model can answer', () => {
  const STALE: SurefootConfig = { degradeToCache: true, cacheTtlMs: 10_000, cacheStaleMs: 50_000 }
  const call = (more: Partial<Call> = {}): Call => {
    const request = { model: 'llama3.2', messages: MESSAGES, options: { temperature: 0.8 } }
    return { kind: 'chat', model: 'llama3.2', request, buffered: false, ...more }
  }

  it('are kept of every call, and given however old they are, until they are too old', async () => {
    const rig = createCacheRig({ ...STALE, cache: false })
    rig.ask({ options: { temperature: 0.8 } })
    await rig.time.runUntilIdle()
    await rig.time.advance(59_000)
    const reply = await rig.answers.staleAnswer(call())
    expect(reply?.how).toEqual({ served: 'cache', cachedAtMs: 1_800_000_000_400 })
    expect((await reply!.body.next()).value).toMatchObject({ text: TEXT })
    await rig.time.advance(1_000)
    expect(await rig.answers.staleAnswer(call())).toBeUndefined()
  })

  it('are the same whatever `prepare` adds to the call', async () => {
    const rig = createCacheRig({ ...STALE, cache: false })
    rig.ask({ options: { temperature: 0.8, num_ctx: 8_192, num_thread: 4 } })
    await rig.time.runUntilIdle()
    const request = { ...call().request, truncate: false, options: { num_ctx: 2_048, temperature: 0.8 } }
    expect(await rig.answers.staleAnswer(call({ request }))).toBeDefined()
  })

  it('are not given to who wants none, to another tenant, or to another question', async () => {
    const rig = createCacheRig(STALE)
    rig.ask({ options: { temperature: 0.8 }, tenant: 'a' })
    rig.ask({ options: { temperature: 0.8 }, tenant: 'b', cache: false })
    await rig.time.runUntilIdle()
    expect(await rig.answers.staleAnswer(call({ tenant: 'a' }))).toBeDefined()
    expect(await rig.answers.staleAnswer(call({ tenant: 'a', cache: false }))).toBeUndefined()
    expect(await rig.answers.staleAnswer(call({ tenant: 'b' }))).toBeUndefined()
    expect(await rig.answers.staleAnswer(call())).toBeUndefined()
  })

  it('do not answer calls that are shared, once they are not fresh any more', async () => {
    const rig = createCacheRig(STALE)
    rig.ask()
    await rig.time.runUntilIdle()
    await rig.time.advance(10_000)
    const again = rig.ask()
    await rig.time.runUntilIdle()
    expect(again.answer?.served).toBe('model')
  })

  it('do not answer calls that are not shared, as long as a model can', async () => {
    const rig = createCacheRig(STALE)
    rig.ask({ options: { temperature: 0.8 } })
    await rig.time.runUntilIdle()
    const again = rig.ask({ options: { temperature: 0.8 } })
    await rig.time.runUntilIdle()
    expect(again.answer?.served).toBe('model')
    expect(rig.results()).toEqual([])
  })
})
