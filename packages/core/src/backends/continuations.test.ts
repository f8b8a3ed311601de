import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { LoadOptions } from '../load-options.ts'
import { AttemptFailure } from '../outcome/attempt-failure.ts'
import type { Call, ContinueFrom } from '../service.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Continuations } from './continuations.ts'
import type { Identity } from './health.ts'
import { RequestBroken } from './post-whole.ts'
import type { WholeAnswer } from './post-whole.ts'

const CALL: Call = {
  kind: 'chat',
  model: 'llama3.2',
  request: { messages: [{ role: 'user', content: 'What is water?' }] },
  body: Buffer.from('{}'),
  buffered: false,
}
const WORDS = [
  'The',
  ' water',
  ' cycle',
  ' is',
  ' a',
  ' process',
  ' of',
  ' rain',
  ' and',
  ' snow',
  ' and',
  ' seas',
  '.',
]

type Mood = 'goes on' | 'begins anew' | 'is away'

/** Backends `a`, `b` … whose models go on, or do not; and what they were asked. */
function createRig(names: readonly string[] = ['a', 'b']) {
  const time = createVirtualTime()
  const moods = new Map<string, Mood>()
  const identities = new Map<string, Identity>()
  const asked: string[] = []
  const rig = { isBusy: false, answerMs: 100, rechecks: [] as string[] }
  const answer = (name: string, body: { messages?: unknown[]; _debug_render_only?: boolean }): WholeAnswer => {
    if (moods.get(name) === 'is away') {
      throw new RequestBroken({ kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false })
    }
    const isHalf = (body.messages?.length ?? 0) > 1
    if (body._debug_render_only === true) {
      const opens = moods.get(name) === 'begins anew'
      return { status: 200, body: JSON.stringify({ _debug_info: { rendered_template: opens ? '' : 'x ab cd' } }) }
    }
    const tokens = isHalf ? WORDS.slice(6) : WORDS
    const lines = [...tokens, ''].map((content, index) =>
      JSON.stringify({ message: { content }, done: index === tokens.length }),
    )
    return { status: 200, body: lines.join('\n') }
  }
  const provables = names.map((name) => {
    const backend = new Backend(`http://${name}:1`, readConfig(), time, createTelemetry())
    identities.set(name, { digest: 'd', version: '0.24.0', atMs: 0 })
    backend.digests = new Map([['llama3.2', 'd']])
    return {
      backend,
      identityOf: () => identities.get(name),
      recheck: async () => {
        rig.rechecks.push(name)
        const identity = identities.get(name)
        if (identity !== undefined) identities.set(name, { ...identity, atMs: time.clock.monotonicMs() })
      },
      ask: (_limitMs: number, signal: AbortSignal) => async (_path: string, body: object) => {
        asked.push(name)
        await new Promise<void>((resolve) => void time.timers.set(rig.answerMs, resolve))
        signal.throwIfAborted()
        return answer(name, body)
      },
    }
  })
  const continuations = new Continuations({ runtime: time, provables: () => provables, isBusy: () => rig.isBusy })
  const backend = (name: string): Backend => provables.find((each) => each.backend.name === `http://${name}:1`)!.backend
  const from = (more: Partial<ContinueFrom> = {}): ContinueFrom => ({
    text: 'Wa',
    tokens: 1,
    digest: 'd',
    brokenOn: 'http://a:1',
    silentAtMs: new Map(),
    ...more,
  })
  return Object.assign(rig, {
    time,
    moods,
    identities,
    asked,
    continuations,
    backend,
    from,
    can: (name: string, more: Partial<ContinueFrom> = {}, call: Call = CALL) =>
      continuations.canContinue(backend(name), call, from(more)),
    /** With a lease in hand: what comes of it. */
    async prepare(name: string, signal: AbortSignal = new AbortController().signal, call: Call = CALL) {
      const lease = backend(name).lease('llama3.2')
      const prepared = continuations.prepare(lease, call, from(), signal).catch((error: unknown) => error)
      await time.runUntilIdle()
      lease.end({ kind: 'left' })
      return await prepared
    },
    /** A stream ends whole there, and then time passes. */
    async answered(name: string, thenMs = 0) {
      backend(name).models.produced('llama3.2', time.clock.monotonicMs())
      continuations.answered(`http://${name}:1`, CALL)
      await time.advance(thenMs)
    },
  })
}

describe('who can go on', () => {
  it('is not known before it is proven, with a lease in hand; afterwards nobody is asked', async () => {
    const rig = createRig()
    expect(rig.can('a')).toBe('unproven')
    expect(await rig.prepare('a')).toBe('chat-prefill')
    expect(rig.can('a')).toBe('yes')
    expect(rig.can('b')).toBe('unproven')
    const before = rig.asked.length
    expect(await rig.prepare('a')).toBe('chat-prefill')
    expect(rig.asked).toHaveLength(before)
  })

  it('nobody whose model begins anew; that is believed for an hour', async () => {
    const rig = createRig()
    rig.moods.set('a', 'begins anew')
    expect(await rig.prepare('a')).toBe('none')
    expect(rig.can('a')).toBe('no')
    expect(rig.continuations.candidates(CALL, rig.from())).toEqual(['http://b:1'])
    await rig.time.advance(3_600_000)
    expect(rig.can('a')).toBe('unproven')
  })

  it('is forgotten when the model or the version of Ollama changes', async () => {
    const rig = createRig()
    await rig.prepare('a')
    rig.identities.set('a', { digest: 'd', version: '0.32.15', atMs: 0 })
    expect(rig.can('a')).toBe('unproven')
    rig.identities.set('a', { digest: 'e', version: '0.24.0', atMs: 0 })
    expect(rig.can('a')).toBe('no')
    expect(rig.can('a', { digest: 'e' })).toBe('unproven')
  })

  it('of one that is told not to think says nothing of one that may, and the other way round', async () => {
    const rig = createRig(['a'])
    const silent: Call = { ...CALL, request: { ...CALL.request, think: false } }
    await rig.prepare('a')
    expect([rig.can('a'), rig.can('a', {}, silent)]).toEqual(['yes', 'unproven'])
    rig.moods.set('a', 'begins anew')
    expect(await rig.prepare('a', undefined, silent)).toBe('none')
    expect([rig.can('a'), rig.can('a', {}, silent)]).toEqual(['yes', 'no'])
    rig.continuations.refute('http://a:1', CALL)
    expect(rig.can('a')).toBe('no')
  })

  it('only the backend it broke on, where it is not known what model it was', () => {
    const rig = createRig()
    expect(rig.can('a', { digest: undefined })).toBe('unproven')
    expect(rig.can('b', { digest: undefined })).toBe('no')
  })

  it('a silent backend not before it is seen alive', async () => {
    const rig = createRig()
    const silentAtMs = new Map([['http://a:1', 1_000]])
    expect(rig.can('a', { silentAtMs })).toBe('no')
    rig.backend('a').models.produced('llama3.2', 1_000)
    expect(rig.can('a', { silentAtMs })).toBe('no')
    rig.backend('a').models.produced('llama3.2', 1_001)
    expect(rig.can('a', { silentAtMs })).toBe('unproven')
  })

  it('nobody any more that was refuted', async () => {
    const rig = createRig(['a'])
    await rig.prepare('a')
    expect(rig.continuations.isPossible(CALL)).toBe(true)
    rig.continuations.refute('http://a:1', CALL)
    expect(rig.can('a')).toBe('no')
    expect(rig.continuations.isPossible(CALL)).toBe(false)
  })

  it('what was looked up long ago is looked up again before it is relied on', async () => {
    const rig = createRig()
    await rig.prepare('a')
    await rig.time.advance(30_001)
    expect(rig.rechecks).toEqual([])
    rig.identities.set('a', { digest: 'other', version: '0.24.0', atMs: 0 })
    expect(await rig.prepare('a')).toBe('none')
    expect(rig.rechecks).toEqual(['a'])
  })

  it('a backend that is away fails as an attempt there would', async () => {
    const rig = createRig()
    rig.moods.set('a', 'is away')
    const failure = await rig.prepare('a')
    expect(failure).toBeInstanceOf(AttemptFailure)
    expect((failure as AttemptFailure).verdict).toMatchObject({ class: 'connect', error: { code: 'CANNOT_CONNECT' } })
    expect(rig.can('a')).toBe('unproven')
  })

  it('a caller who leaves meanwhile ends the proof with his reason', async () => {
    const rig = createRig()
    const reason = new Error('left')
    const controller = new AbortController()
    const prepared = rig.prepare('a', controller.signal)
    controller.abort(reason)
    expect(await prepared).toBe(reason)
    expect(rig.can('a')).toBe('unproven')
  })
})

describe('a proof that nobody waits for', () => {
  it.each(['drained', 'wedged'])('is not made on a backend that is %s meanwhile', async (how) => {
    const rig = createRig()
    await rig.answered('a', 1_000)
    if (how === 'drained') rig.backend('a').draining = true
    else rig.backend('a').liveness.foundWedged('no token', rig.time.clock.monotonicMs())
    await rig.time.advance(10_000)
    expect(rig.asked).toEqual([])
  })

  it('is made 2 s after an answer, with a slot, and not twice', async () => {
    const rig = createRig()
    await rig.answered('a', 1_999)
    expect(rig.asked).toEqual([])
    await rig.answered('a', 51)
    expect(rig.asked).toEqual(['a'])
    expect(rig.backend('a').slots.held).toBe(1)
    await rig.time.advance(10_000)
    expect(rig.can('a')).toBe('yes')
    expect(rig.backend('a').slots.held).toBe(0)
    expect(rig.backend('a').attempts.failed).toBe(0)
    const made = rig.asked.length
    await rig.answered('a', 10_000)
    expect(rig.asked).toHaveLength(made)
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('is not made while calls run or wait, the model is out of memory, or the breaker is open', async () => {
    const rig = createRig()
    rig.isBusy = true
    await rig.answered('a', 10_000)
    rig.isBusy = false
    const lease = rig.backend('a').lease('llama3.2')
    await rig.answered('a', 10_000)
    lease.end({ kind: 'whole' })
    rig.continuations.answered('http://a:1', CALL)
    rig.backend('a').models.forget()
    await rig.time.advance(10_000)
    expect(rig.asked).toEqual([])
    await rig.answered('a', 10_000)
    expect(rig.can('a')).toBe('yes')
  })

  it('is not made, and so loads nothing, where the model is to be loaded with a larger context', async () => {
    const rig = createRig()
    const loadOptions = new LoadOptions(rig.time.clock)
    rig.backend('a').loader = {
      current: undefined,
      want: () => {},
      loading: () => undefined,
      expectedMs: () => undefined,
      loadOptions: (model) => loadOptions.of(model),
      tooLarge: () => false,
    }
    loadOptions.grow('llama3.2', 8_192)
    await rig.answered('a', 10_000)
    expect(rig.asked).toEqual([])
    rig.backend('a').lease('llama3.2').end({ kind: 'whole' })
    await rig.answered('a', 10_000)
    expect(rig.asked).not.toEqual([])
  })

  it('gives way between two of its requests, and is tried again after 2, 4, 8 … s', async () => {
    const rig = createRig()
    await rig.answered('a', 2_050)
    rig.isBusy = true
    await rig.time.advance(100)
    expect(rig.asked).toEqual(['a'])
    expect(rig.backend('a').slots.held).toBe(0)
    rig.isBusy = false
    await rig.answered('a', 1_900)
    expect(rig.asked).toEqual(['a'])
    await rig.time.advance(100)
    await rig.answered('a', 10_000)
    expect(rig.can('a')).toBe('yes')
  })

  it('ends when all is closed', async () => {
    const rig = createRig()
    await rig.answered('a', 2_050)
    await rig.answered('b')
    rig.continuations.close()
    await rig.time.advance(10_000)
    expect(rig.time.pendingTimers).toBe(0)
    expect(rig.asked).toEqual(['a'])
    expect(rig.backend('a').slots.held).toBe(0)
  })
})

describe('what the models are called', () => {
  it('is looked up when a stream begins, at most every 30 s', async () => {
    const rig = createRig()
    rig.identities.delete('a')
    for (let count = 0; count < 5; count++) rig.continuations.began('http://a:1', 'llama3.2')
    expect(rig.rechecks).toEqual(['a'])
    await rig.time.advance(30_000)
    rig.continuations.began('http://a:1', 'llama3.2')
    rig.continuations.began('http://b:1', 'llama3.2')
    expect(rig.rechecks).toEqual(['a', 'a', 'b'])
  })

  it('is looked up when a stream breaks, where it is not known', async () => {
    const rig = createRig()
    rig.backend('b').digests = new Map()
    await rig.continuations.lookAround('llama3.2', new AbortController().signal)
    expect(rig.rechecks).toEqual(['b'])
  })
})
