import { getEventListeners } from 'node:events'

import { SurefootError } from '@surefoot/protocol'
import type { RunEvent } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../../config/read-config.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { classify } from '../../outcome/classify.ts'
import type { Failure } from '../../outcome/failure.ts'
import type { Call, CallContext, Delta, Final, Reply, Service } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { createResume } from './resume.ts'

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const CALL: Call = { kind: 'chat', model: 'llama3.2', request: REQUEST, body: Buffer.from('{}'), buffered: false }
const CUT: Failure = { kind: 'network', cause: { code: 'UND_ERR_SOCKET' }, gotBytes: true, gotToken: true }
const SILENT: Failure = { kind: 'silence', silentMs: 60_000, gotToken: true }
const MISTAKE: Failure = { kind: 'status', status: 400, body: '{"error":"no prefill"}', elapsedMs: 1 }

const chunk = (content: string, more = {}) => ({
  model: 'llama3.2',
  created_at: '2026-11-23T03:31:41Z',
  message: { role: 'assistant', content },
  done: false,
  ...more,
})
const delta = (text: string): Delta => ({
  type: 'delta',
  text,
  bytes: Buffer.from(JSON.stringify(chunk(text))),
  chunk: chunk(text),
})
const LAST = chunk('', { done: true, done_reason: 'stop', eval_count: 5, prompt_eval_count: 40, total_duration: 7e9 })
const FINAL: Final = { bytes: Buffer.from(JSON.stringify(LAST)), chunk: LAST }
const failureOf = (failure: Failure, backend: string): AttemptFailure =>
  new AttemptFailure(classify(failure, { backend, model: 'llama3.2' }), backend)

/** What one segment says, and how it breaks; without a failure it ends well. */
type Script =
  | { readonly on?: string; readonly says: readonly (string | Delta)[]; readonly then?: Failure }
  | { readonly throws: unknown }

interface RigOptions {
  readonly config?: SurefootConfig
  readonly call?: Partial<Call>
  /** The backends that may be asked to go on. */
  readonly candidates?: readonly string[]
  readonly deadlineAtMs?: number
  readonly budget?: () => boolean
  readonly isPossible?: boolean
  /** How long a segment runs before it breaks. */
  readonly segmentMs?: number
}

function createRig(scripts: readonly Script[], options: RigOptions = {}) {
  const { candidates = ['b'], deadlineAtMs = 900_000, budget = () => true, isPossible = true, segmentMs = 0 } = options
  const time = createVirtualTime()
  const telemetry = createTelemetry()
  const told: TelemetryEvent[] = []
  telemetry.on((event) => told.push(event))
  const asked: { atMs: number; context: CallContext }[] = []
  const events: RunEvent[] = []
  const seen = { refuted: [] as string[], answered: [] as string[], returned: 0 }
  const next: Service = async (_call, context) => {
    asked.push({ atMs: time.clock.monotonicMs(), context })
    const script = scripts[Math.min(asked.length, scripts.length) - 1]!
    const backend = ('on' in script ? script.on : undefined) ?? (asked.length === 1 ? 'a' : 'b')
    context.emit({ type: 'attempt', attempt: context.attempt, backend })
    if ('throws' in script) throw script.throws
    const { says, then } = script
    async function* body(): Reply['body'] {
      try {
        for (const piece of says) yield typeof piece === 'string' ? delta(piece) : piece
        if (segmentMs > 0) await new Promise<void>((resolve) => void time.timers.set(segmentMs, resolve))
        if (then !== undefined) throw failureOf(then, backend)
        return FINAL
      } finally {
        seen.returned++
      }
    }
    return { backend, body: body() }
  }
  const controller = new AbortController()
  const service = createResume(readConfig({ jitter: 0, ...options.config }), {
    runtime: time,
    telemetry,
    takeBudget: budget,
    going: {
      began: () => {},
      answered: (backend) => seen.answered.push(backend),
      digestOf: () => 'digest',
      candidates: () => candidates,
      lookAround: async () => {},
      isPossible: () => isPossible,
      refute: (backend) => seen.refuted.push(backend),
    },
  })(next)
  const context: CallContext = {
    id: 'run-1',
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    deadlineAtMs,
    attempt: 1,
    exclude: new Set(),
    emit: (event) => events.push(event),
    defer: () => {},
  }
  const rig = {
    time,
    told,
    asked,
    events,
    seen,
    controller,
    reply: () => service({ ...CALL, ...options.call }, context),
    /** The pieces that a caller sees, and how it ends. */
    async read() {
      const pieces: Delta[] = []
      const ended = (async () => {
        const { body } = await rig.reply()
        for (;;) {
          const { value, done } = await body.next()
          if (done === true) return value
          pieces.push(value)
        }
      })()
      const outcome = ended.catch((error: unknown) => error)
      await time.runUntilIdle()
      const end = await outcome
      return { text: pieces.map(({ text }) => text).join(''), pieces, end }
    },
  }
  return rig
}

const codeOf = (end: unknown): unknown =>
  end instanceof AttemptFailure ? end.verdict.error.code : SurefootError.is(end) ? end.code : end

describe('a stream that does not break', () => {
  it('passes piece by piece as it came, and its end too', async () => {
    const rig = createRig([{ says: ['Wa', 'ter', '.'] }])
    const { pieces, end } = await rig.read()
    expect(pieces.map(({ text }) => text)).toEqual(['Wa', 'ter', '.'])
    expect(end).toEqual(FINAL)
    expect((end as Final).bytes).toBe(FINAL.bytes)
    expect(rig.seen.answered).toEqual(['a'])
    expect(rig.events.filter(({ type }) => type === 'resumed')).toEqual([])
  })

  it('white space comes with the word after it, in order, or with the end', async () => {
    const rig = createRig([{ says: ['One.', '\n', '\n', 'Two.', ' '] }])
    const { body } = await rig.reply()
    const results: string[] = []
    for (;;) {
      const { value, done } = await body.next()
      if (done === true) break
      results.push(value.text)
    }
    expect(results).toEqual(['One.', '\n', '\n', 'Two.', ' '])
  })

  it('white space without end is not held back for ever', async () => {
    const rig = createRig([{ says: ['x', ...Array<string>(500).fill('\n')], then: CUT }], { candidates: [] })
    const { body } = await rig.reply()
    for (let count = 0; count < 300; count++) expect((await body.next()).done).toBe(false)
  })

  it.each([
    ['buffered', { buffered: true }],
    ['tools', { request: { ...REQUEST, tools: [{}] } }],
    ['a format', { request: { ...REQUEST, format: 'json' } }],
    ['thinking', { request: { ...REQUEST, think: true } }],
    ['logprobs', { request: { ...REQUEST, logprobs: true } }],
    [
      'a half answer of its own',
      { request: { messages: [...REQUEST.messages, { role: 'assistant', content: 'Wa' }] } },
    ],
    ['told not to', { resume: false }],
  ] as const)('with %s is not touched, and breaks as it does', async (_name, call) => {
    const rig = createRig([{ says: ['Wa', ' '], then: CUT }], { call })
    const { text, end } = await rig.read()
    expect(text).toBe('Wa ')
    expect(codeOf(end)).toBe('STREAM_INTERRUPTED')
    expect(rig.asked).toHaveLength(1)
    expect(rig.asked[0]!.context.spent).toBeUndefined()
    expect(rig.told).toEqual([])
  })

  it('is not touched when nobody could go on with it', async () => {
    const rig = createRig([{ says: ['Wa'], then: CUT }], { isPossible: false })
    await rig.read()
    expect(rig.asked[0]!.context.spent).toBeUndefined()
  })
})

describe('a stream that breaks', () => {
  it('goes on with what was shown, without white space at its end, elsewhere', async () => {
    const rig = createRig([{ says: ['Water', ' is', ' wet.', '\n\n'], then: CUT }, { says: ['\n', '\n', 'Very.'] }])
    const { text, end } = await rig.read()
    expect(text).toBe('Water is wet.\n\nVery.')
    const { context } = rig.asked[1]!
    expect(context).toMatchObject({
      attempt: 2,
      reason: 'STREAM_INTERRUPTED',
      continueFrom: { text: 'Water is wet.', tokens: 3, digest: 'digest', brokenOn: 'a' },
    })
    expect([...context.exclude]).toEqual(['a'])
    expect(rig.events).toContainEqual({ type: 'resumed', atChar: 13, attempt: 2, backend: 'b' })
    expect((end as Final).chunk).toMatchObject({ eval_count: 8, prompt_eval_count: 37, done_reason: 'stop' })
    expect(JSON.parse(Buffer.from((end as Final).bytes).toString())).toEqual((end as Final).chunk)
    expect(rig.told).toMatchObject([{ type: 'attempt-fail', attempt: 1, backend: 'a', waitMs: 0 }])
    expect(rig.seen.answered).toEqual(['b'])
  })

  it('white space that was shown with a word is not shown again', async () => {
    const rig = createRig([{ says: ['One. '], then: CUT }, { says: [' ', 'Two.'] }])
    expect((await rig.read()).text).toBe('One. Two.')
  })

  it('is told of before the first new piece, once it is sure', async () => {
    const half = 'The quick brown fox jumps over the lazy dog'
    const rig = createRig([{ says: [half], then: CUT }, { says: [' lazy', ' dog', ' again and again'] }])
    expect((await rig.read()).text).toBe(`${half} lazy dog again and again`)
    const repeated = createRig([{ says: [half], then: CUT }, { says: ['over the lazy', ' dog again'] }])
    expect((await repeated.read()).text).toBe(`${half} again`)
  })

  it('sums what the segments took', async () => {
    const rig = createRig([{ says: ['Wa'], then: CUT }, { says: ['ter'], then: CUT }, { says: ['.'] }], {
      segmentMs: 2_000,
      candidates: ['b', 'c'],
    })
    const { end } = await rig.read()
    expect((end as Final).chunk).toMatchObject({ eval_count: 7, prompt_eval_count: 38, total_duration: 11e9 })
  })

  it('goes elsewhere at once, on the same backend after 0, 1, 2, 4 … s', async () => {
    const breaking: Script = { on: 'a', says: ['x '], then: CUT }
    const same = createRig([breaking], { candidates: ['a'] })
    await same.read()
    expect(same.asked.map(({ atMs }) => atMs)).toEqual([0, 0, 1_000, 3_000, 7_000, 15_000])
    const other = createRig([{ ...breaking, on: 'a' }], { candidates: ['a', 'b'] })
    await other.read()
    expect(other.asked.map(({ atMs }) => atMs)).toEqual([0, 0, 0, 0, 0, 0])
  })

  it('does so five times, then it breaks with the failure as it was', async () => {
    const rig = createRig([{ says: ['x'], then: CUT }], { candidates: ['b', 'c'] })
    const { text, end } = await rig.read()
    expect(text).toBe('xxxxxx')
    expect(codeOf(end)).toBe('STREAM_INTERRUPTED')
    expect(rig.asked).toHaveLength(6)
    expect(rig.told.at(-1)).not.toHaveProperty('waitMs')
  })

  it('costs at most eight attempts in all', async () => {
    const rig = createRig([{ says: ['x'], then: CUT }], { candidates: ['b', 'c'] })
    const reply = rig.reply()
    const { body } = await reply
    // As `retry` counts the attempts that failed before their first token.
    rig.asked[0]!.context.spent!.costly = 6
    let text = ''
    const end = (async () => {
      for (;;) {
        const { value, done } = await body.next()
        if (done === true) return value
        text += value.text
      }
    })().catch((error: unknown) => error)
    await rig.time.runUntilIdle()
    expect(codeOf(await end)).toBe('STREAM_INTERRUPTED')
    expect(text).toBe('xx')
  })

  it.each([
    ['nobody can', { candidates: [] }],
    ['the budget is used up', { budget: () => false }],
    ['the deadline would be over', { candidates: ['a'], deadlineAtMs: 0 }],
    ['the limit of tokens is reached', { call: { request: { ...REQUEST, options: { num_predict: 2 } } } }],
  ] as const)('does not when %s', async (_name, options) => {
    const rig = createRig([{ on: 'a', says: ['Wa', 'ter', ' '], then: CUT }], options)
    const { text, end } = await rig.read()
    expect(text).toBe('Water ')
    expect(codeOf(end)).toBe('STREAM_INTERRUPTED')
    expect(rig.asked).toHaveLength(1)
    expect(rig.told).toMatchObject([{ type: 'attempt-fail', backend: 'a' }])
  })

  it('does not when thinking or a tool call was in it', async () => {
    for (const more of [{ thinking: 'hm' }, { toolCalls: [{}] }]) {
      const rig = createRig([{ says: [{ ...delta('Wa'), ...more }, 'ter'], then: CUT }])
      const { text, end } = await rig.read()
      expect(text).toBe('Water')
      expect(codeOf(end)).toBe('STREAM_INTERRUPTED')
      expect(rig.asked).toHaveLength(1)
    }
  })

  it('does not when it is longer than 64 KiB or repeats itself', async () => {
    const long = createRig([{ says: Array<string>(70).fill('x'.repeat(1_024)), then: CUT }])
    expect((await long.read()).text).toHaveLength(70 * 1_024)
    expect(long.asked).toHaveLength(1)
    const loop = createRig([{ says: Array<string>(40).fill(' no'), then: CUT }])
    await loop.read()
    expect(loop.asked).toHaveLength(1)
  })

  it('a silent backend is named with the time of its last token', async () => {
    const rig = createRig([{ says: ['Wa'], then: SILENT }, { says: ['ter'] }], { segmentMs: 60_000 })
    await rig.read()
    expect(rig.asked[1]!.context.continueFrom!.silentAtMs).toEqual(new Map([['a', 0]]))
  })

  it('a backend that refuses a half answer is not asked again, another one is', async () => {
    const rig = createRig([
      { says: ['Wa'], then: CUT },
      { throws: failureOf(MISTAKE, 'b') },
      { on: 'c', says: ['ter'] },
    ])
    expect((await rig.read()).text).toBe('Water')
    expect(rig.seen.refuted).toEqual(['b'])
    // What broke is told once; the refusal is told where it was asked for.
    expect(rig.told).toMatchObject([{ type: 'attempt-fail', attempt: 1, backend: 'a', waitMs: 0 }])
  })

  it('and cannot be served for another reason: the failure is that of the stream', async () => {
    const refusal = new SurefootError({ code: 'QUEUE_TIMEOUT', message: 'No slot.' })
    const rig = createRig([{ says: ['Wa', '\n'], then: CUT }, { throws: refusal }])
    const { text, end } = await rig.read()
    expect(text).toBe('Wa\n')
    expect(codeOf(end)).toBe('STREAM_INTERRUPTED')
  })

  it('and is begun anew by the next one: nothing is shown twice', async () => {
    const half = 'Water is a clear liquid that falls as rain.'
    const rig = createRig([
      { says: [half], then: CUT },
      { says: ['Water is a clear', ' liquid that falls as rain.', ' more'] },
    ])
    const { text, end } = await rig.read()
    expect(text).toBe(half)
    expect(end).toMatchObject({ code: 'STREAM_INTERRUPTED', backend: 'b' })
    expect(rig.seen).toMatchObject({ refuted: ['b'], returned: 2 })
    expect(rig.events.filter(({ type }) => type === 'resumed')).toEqual([])
    const atTheEnd = createRig([{ says: [half], then: CUT }, { says: ['Water is a clear liquid that falls'] }])
    expect(codeOf((await atTheEnd.read()).end)).toBe('STREAM_INTERRUPTED')
  })

  it('again while the seam is judged: what was not shown yet is asked for once more', async () => {
    const half = 'The quick brown fox jumps over the lazy dog'
    const rig = createRig([{ says: [half], then: CUT }, { says: ['over the lazy'], then: CUT }, { says: [' again'] }])
    expect((await rig.read()).text).toBe(`${half} again`)
    expect(rig.asked.map(({ context }) => context.continueFrom?.text)).toEqual([undefined, half, half])
    expect(rig.events.filter(({ type }) => type === 'resumed')).toMatchObject([{ attempt: 3 }])
  })
})

describe('a caller who leaves', () => {
  it('while it waits for the next segment: it ends at once with his reason', async () => {
    const breaking: Script = { on: 'a', says: ['x'], then: CUT }
    const rig = createRig([breaking], { candidates: ['a'] })
    const { body } = await rig.reply()
    const reason = new Error('left')
    const end = (async () => {
      for (;;) if ((await body.next()).done === true) return 'ended'
    })().catch((error: unknown) => error)
    await rig.time.advance(500)
    rig.controller.abort(reason)
    expect(await end).toBe(reason)
    expect(rig.time.pendingTimers).toBe(0)
    expect(getEventListeners(rig.controller.signal, 'abort')).toEqual([])
    expect(rig.asked).toHaveLength(2)
  })

  it('by leaving the loop gives the segment back', async () => {
    const rig = createRig([{ says: ['Wa', 'ter'] }])
    for await (const _piece of (await rig.reply()).body) break
    expect(rig.seen.returned).toBe(1)
  })
})
