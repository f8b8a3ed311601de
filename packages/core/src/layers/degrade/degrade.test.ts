import { SurefootError } from '@surefoot/protocol'
import type { ChatRequest, ErrorCode } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../../config/read-config.ts'
import type { SurefootConfig } from '../../config/config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import { classify } from '../../outcome/classify.ts'
import type { Call, CallContext, CallEnd, Reply, Service } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../../telemetry/telemetry.ts'
import { WireDelta } from '../../wire-delta.ts'
import { createDegrade } from './degrade.ts'
import type { DegradeDeps } from './degrade.ts'

const MESSAGES = [{ role: 'user', content: 'What is water?' }]
const WAY_BACK = new BetterModelBack()

function replyOf(model: string, how?: Reply['how']): Reply {
  const chunk = { model, created_at: '', message: { role: 'assistant', content: `I am ${model}` }, done: false }
  return {
    backend: `http://${model}:1`,
    how,
    body: (async function* () {
      yield WireDelta.printed(chunk)
      return { bytes: Buffer.from(''), chunk: { ...chunk, done: true } }
    })(),
  }
}

const error = (code: ErrorCode): SurefootError => new SurefootError({ code, message: `It is ${code}.` })
const connectionRefused = (model: string): AttemptFailure => {
  const backend = `http://${model}:1`
  const cause = { code: 'ECONNREFUSED' }
  return new AttemptFailure(
    classify({ kind: 'network', cause, gotBytes: false, gotToken: false }, { backend, model }),
    backend,
  )
}

/** What a model does: answers, or fails in that way; several: one after the other. */
type Script = 'answers' | ErrorCode | BetterModelBack | Error
interface RigOptions {
  readonly config?: SurefootConfig
  readonly deps?: Partial<DegradeDeps>
  readonly request?: Partial<ChatRequest>
  readonly buffered?: boolean
  readonly kind?: Call['kind']
  readonly deadlineMs?: number
  /** The call is ended while this model is asked, with what that one throws. */
  readonly endsAt?: string
  /** Attempts that each model makes before it fails or answers. */
  readonly attempts?: number
}

function createRig(scripts: Readonly<Record<string, Script | readonly Script[]>>, options: RigOptions = {}) {
  const time = createVirtualTime()
  const told: TelemetryEvent[] = []
  const telemetry = createTelemetry()
  telemetry.on((event) => told.push(event))
  const asked: { model: string; context: CallContext; call: Call }[] = []
  const controller = new AbortController()
  const next: Service = async (call, context) => {
    asked.push({ model: call.model, context, call })
    for (let count = 0; count < (options.attempts ?? 0); count++) {
      context.emit({ type: 'attempt', attempt: context.attempt + count, backend: 'http://x:1' })
    }
    const all = [scripts[call.model] ?? 'MODEL_NOT_FOUND'].flat() as Script[]
    const script = all[Math.min(asked.filter(({ model }) => model === call.model).length, all.length) - 1] as Script
    if (call.model === options.endsAt) controller.abort(script)
    if (script === 'answers') return replyOf(call.model)
    if (typeof script === 'string') throw error(script)
    throw script
  }
  const cleanups: ((end: CallEnd) => void)[] = []
  const context: CallContext = {
    id: 'run-1',
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    deadlineAtMs: options.deadlineMs ?? 900_000,
    attempt: 1,
    exclude: new Set(),
    emit: () => {},
    defer: (cleanup) => cleanups.push(cleanup),
  }
  const config = readConfig({ degradeModels: 'b,c', ...options.config })
  const layer = createDegrade(config, {
    clock: time.clock,
    telemetry,
    isUsable: () => true,
    isMissing: () => false,
    isCapable: async () => true,
    ...options.deps,
  })
  const call: Call = {
    kind: options.kind ?? 'chat',
    model: 'a',
    request: { model: 'a', messages: MESSAGES, ...options.request },
    buffered: options.buffered ?? false,
  }
  const service = layer(next)
  const ask = async () => {
    const reply = await service(call, context)
    let text = ''
    for await (const delta of reply.body) text += delta.text
    return { text, how: reply.how }
  }
  return { time, told, asked, controller, cleanups, ask, models: () => asked.map(({ model }) => model).join('') }
}

const FALLBACK = { fallbackMessage: 'Please try again later.' }

describe('the ladder', () => {
  it('leaves an answer of the asked-for model as it is', async () => {
    const rig = createRig({ a: 'answers' })
    expect(await rig.ask()).toEqual({ text: 'I am a', how: undefined })
    expect(rig.models()).toBe('a')
  })

  it.each([true, false])('goes down model by model, and says why (buffered: %s)', async (buffered) => {
    const rig = createRig({ a: 'BREAKER_OPEN', b: 'QUEUE_TIMEOUT', c: 'answers' }, { buffered })
    expect(await rig.ask()).toEqual({ text: 'I am c', how: { served: 'degraded', reason: 'BREAKER_OPEN' } })
    expect(rig.models()).toBe('abc')
    expect(rig.asked.map(({ call }) => call.request.model)).toEqual(['a', 'b', 'c'])
    expect(rig.told).toEqual([
      { type: 'rung-leave', id: 'run-1', rung: 'a', code: 'BREAKER_OPEN', problem: 'It is BREAKER_OPEN.' },
      { type: 'rung-leave', id: 'run-1', rung: 'b', code: 'QUEUE_TIMEOUT', problem: 'It is QUEUE_TIMEOUT.' },
    ])
  })

  it('asks no model twice, by whatever name', async () => {
    const rig = createRig(
      { a: 'BREAKER_OPEN', b: 'BREAKER_OPEN' },
      { config: { degradeModels: 'a:latest,b,b:latest' } },
    )
    await expect(rig.ask()).rejects.toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.models()).toBe('ab')
  })

  it('leaves out a model that is certain to be nowhere', async () => {
    const rig = createRig({ a: 'BREAKER_OPEN', c: 'answers' }, { deps: { isMissing: (model) => model === 'b' } })
    await rig.ask()
    expect(rig.models()).toBe('ac')
  })

  it('ends in the error of the asked-for model, with all attempts', async () => {
    const rig = createRig({ a: connectionRefused('a'), b: 'BACKEND_FAILED', c: 'QUEUE_FULL' }, { attempts: 2 })
    await expect(rig.ask()).rejects.toMatchObject({ code: 'CANNOT_CONNECT', backend: 'http://a:1', attempts: 6 })
    expect(rig.asked.map(({ context }) => [context.attempt, context.reason])).toEqual([
      [1, undefined],
      [3, 'CANNOT_CONNECT'],
      [5, 'CANNOT_CONNECT'],
    ])
  })

  it('is for chats alone', async () => {
    const rig = createRig({ a: 'BREAKER_OPEN', b: 'answers' }, { kind: 'embed' })
    await expect(rig.ask()).rejects.toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.models()).toBe('a')
    expect(rig.asked[0]!.context.patience).toBeUndefined()
  })

  it('waits in its patience for all models but the last, which waits for ready', async () => {
    const rig = createRig(
      { a: 'BREAKER_OPEN', b: 'QUEUE_TIMEOUT', c: 'answers' },
      { config: { patienceMs: 5_000, waitForReadyMs: 7_000 }, deps: { isUsable: (model) => model === 'b' } },
    )
    await rig.time.advance(1_000)
    await rig.ask()
    expect(rig.asked.map(({ context }) => context.patience)).toEqual([
      { untilMs: 6_000 },
      { untilMs: 6_000 },
      // Nothing follows but the error: so it waits as long as it would without a ladder.
      { untilMs: Number.POSITIVE_INFINITY, ready: { untilMs: 8_000, insteadOf: ['a'] } },
    ])
  })

  it('is patient for half of the time that is left, and keeps what the other rungs need', async () => {
    const options = { config: FALLBACK, deadlineMs: 8_000 }
    const rig = createRig({ a: 'QUEUE_TIMEOUT', b: 'QUEUE_TIMEOUT', c: 'QUEUE_TIMEOUT' }, options)
    await rig.ask()
    expect(rig.asked.map(({ context }) => context.patience?.untilMs)).toEqual([4_000, 4_000, 7_000])
    const local: DegradeDeps['local'] = { name: 'tiny', answer: async () => replyOf('tiny') }
    const slow = createRig(
      { a: 'QUEUE_TIMEOUT' },
      { config: { degradeModels: [] }, deadlineMs: 40_000, deps: { local } },
    )
    await slow.ask()
    expect(slow.asked[0]!.context.patience?.untilMs).toBe(30_000)
  })

  it('goes back up when a better model can be asked again, three times at the most', async () => {
    const rig = createRig(
      { a: ['BREAKER_OPEN', 'answers'], b: 'BREAKER_OPEN', c: WAY_BACK },
      { deps: { isUsable: () => false } },
    )
    expect(await rig.ask()).toEqual({ text: 'I am a', how: undefined })
    expect(rig.models()).toBe('abca')
    const stubborn = createRig(
      { a: 'BREAKER_OPEN', b: 'BREAKER_OPEN', c: [WAY_BACK, WAY_BACK, WAY_BACK, 'answers'] },
      { deps: { isUsable: () => false } },
    )
    expect((await stubborn.ask()).text).toBe('I am c')
    expect(stubborn.models()).toBe('abcabcabcabc')
    expect(stubborn.asked.at(-1)!.context.patience?.ready?.insteadOf).toEqual([])
  })
})

describe('which failures go on', () => {
  const ON: readonly ErrorCode[] = [
    'OVERLOADED',
    'QUEUE_FULL',
    'QUEUE_TIMEOUT',
    'BREAKER_OPEN',
    'CANNOT_CONNECT',
    'BACKEND_FAILED',
    'MODEL_FAILED',
    'BAD_RESPONSE',
    'STREAM_INTERRUPTED',
    'RESPONSE_TIMEOUT',
    'MODEL_NOT_FOUND',
    'CONTEXT_OVERFLOW',
    'INTERNAL',
  ]
  const OUT: readonly ErrorCode[] = [
    'INVALID_REQUEST',
    'UNAUTHORIZED',
    'FORBIDDEN',
    'PAYLOAD_TOO_LARGE',
    'POISONED_REQUEST',
    'INVALID_CONFIG',
    'DEADLINE_EXCEEDED',
    'SHUTTING_DOWN',
  ]
  it.each(ON)('%s of the asked-for model does', async (code) => {
    const rig = createRig({ a: code, b: 'answers' }, { config: FALLBACK })
    expect(await rig.ask()).toEqual({ text: 'I am b', how: { served: 'degraded', reason: code } })
  })

  it.each(OUT)('%s of the asked-for model comes out at once', async (code) => {
    const rig = createRig({ a: code, b: 'answers' }, { config: FALLBACK })
    await expect(rig.ask()).rejects.toMatchObject({ code })
    expect(rig.models()).toBe('a')
    expect(rig.told).toEqual([])
  })

  it.each(OUT)('%s of a further model only skips it', async (code) => {
    const rig = createRig({ a: 'BREAKER_OPEN', b: code, c: 'answers' })
    expect(await rig.ask()).toMatchObject({ text: 'I am c', how: { reason: 'BREAKER_OPEN' } })
  })

  it('a prompt that is too long for every model is told of, not talked over', async () => {
    const rig = createRig({ a: 'CONTEXT_OVERFLOW', b: 'BREAKER_OPEN', c: 'CONTEXT_OVERFLOW' }, { config: FALLBACK })
    await expect(rig.ask()).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' })
  })

  it('a fault that has no name comes out', async () => {
    const fault = new TypeError('a bug')
    const rig = createRig({ a: fault, b: 'answers' }, { config: FALLBACK })
    await expect(rig.ask()).rejects.toBe(fault)
  })

  it.each(['a', 'b', 'c'])('a call that is ended at %s ends there, by its caller or its deadline', async (at) => {
    for (const reason of [new Error('enough'), error('DEADLINE_EXCEEDED')]) {
      const rig = createRig(
        { a: 'BREAKER_OPEN', b: 'BREAKER_OPEN', c: 'BREAKER_OPEN', [at]: reason },
        { config: FALLBACK, endsAt: at },
      )
      await expect(rig.ask()).rejects.toBe(reason)
      expect(rig.models()).toBe('abc'.slice(0, 'abc'.indexOf(at) + 1))
    }
  })
})

describe('what is no model of a backend', () => {
  const down = { a: 'BREAKER_OPEN', b: 'BREAKER_OPEN', c: 'BREAKER_OPEN' } as const
  const local: DegradeDeps['local'] = { name: 'tiny', answer: async () => replyOf('tiny') }

  it('an older answer from the cache first, of whichever model; then the local model; then the message', async () => {
    const stale: string[] = []
    const staleAnswer: DegradeDeps['staleAnswer'] = async ({ model }) => {
      stale.push(model)
      return model === 'c' ? replyOf(model, { served: 'cache', cachedAtMs: 7 }) : undefined
    }
    const cached = createRig(down, { config: FALLBACK, deps: { staleAnswer, local } })
    expect(await cached.ask()).toEqual({
      text: 'I am c',
      how: { served: 'cache', reason: 'BREAKER_OPEN', cachedAtMs: 7 },
    })
    expect(stale).toEqual(['a', 'b', 'c'])
    const none = async (): Promise<undefined> => undefined
    const tiny = createRig(down, { config: FALLBACK, deps: { staleAnswer: none, local } })
    expect(await tiny.ask()).toEqual({ text: 'I am tiny', how: { served: 'degraded', reason: 'BREAKER_OPEN' } })
    const text = createRig(down, { config: FALLBACK, deps: { staleAnswer: none } })
    expect(await text.ask()).toEqual({
      text: 'Please try again later.',
      how: { served: 'fallback', reason: 'BREAKER_OPEN' },
    })
    expect(text.models()).toBe('abc')
  })

  it('a broken one is left as any other', async () => {
    const rig = createRig(down, {
      config: FALLBACK,
      deps: {
        staleAnswer: () => Promise.reject(error('INTERNAL')),
        local: { name: 'tiny', answer: () => Promise.reject(error('MODEL_FAILED')) },
      },
    })
    expect((await rig.ask()).how).toEqual({ served: 'fallback', reason: 'BREAKER_OPEN' })
    expect(rig.told.map((event) => event.type === 'rung-leave' && event.rung)).toEqual(['a', 'b', 'c', 'cache', 'tiny'])
  })

  it('the local model is waited for in patience where a message would do, else until the deadline', async () => {
    const untils: number[] = []
    const busy: DegradeDeps['local'] = {
      name: 'tiny',
      answer: (_call, _context, untilMs) => {
        untils.push(untilMs)
        return Promise.reject(error('QUEUE_TIMEOUT'))
      },
    }
    await createRig(down, { config: FALLBACK, deps: { local: busy } }).ask()
    await expect(createRig(down, { deps: { local: busy } }).ask()).rejects.toMatchObject({ code: 'BREAKER_OPEN' })
    expect(untils).toEqual([10_000, Number.POSITIVE_INFINITY])
  })

  it('the caller who leaves while it is looked for leaves', async () => {
    const reason = new Error('enough')
    const rig = createRig(down, { config: FALLBACK, deps: { staleAnswer: () => new Promise(() => {}) } })
    const asked = rig.ask()
    await rig.time.advance(0)
    rig.controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })
})

describe('what a call needs', () => {
  const down = { a: 'BREAKER_OPEN', b: 'answers', c: 'answers' } as const
  const only =
    (model: string): DegradeDeps['isCapable'] =>
    async (asked) =>
      asked === model
  const image = { messages: [{ role: 'user', content: 'What is this?', images: ['aGk='] }] }
  const tools = { tools: [{ type: 'function' }] }
  const toolTalk = { messages: [...MESSAGES, { role: 'tool', content: '21' }] }
  const toolCall = { messages: [{ role: 'assistant', content: '', tool_calls: [{}] }, ...MESSAGES] }

  it.each([
    [image, ['vision']],
    [tools, ['tools']],
    [toolTalk, ['tools']],
    [toolCall, ['tools']],
    [{ ...image, ...tools }, ['vision', 'tools']],
  ])('images and tools go only to models that are known to take them: %#', async (request, needs) => {
    const asked: unknown[] = []
    const isCapable: DegradeDeps['isCapable'] = async (model, given) => {
      asked.push(given)
      return model === 'c'
    }
    const rig = createRig(down, { request, deps: { isCapable } })
    expect((await rig.ask()).text).toBe('I am c')
    expect(rig.models()).toBe('ac')
    expect(asked).toEqual([needs, needs])
  })

  it('plain talk asks nobody what models can do', async () => {
    const isCapable: DegradeDeps['isCapable'] = () => Promise.reject(new Error('asked'))
    expect((await createRig(down, { deps: { isCapable }, request: { tools: [] } }).ask()).text).toBe('I am b')
  })

  it('a model that no other can stand in for waits for ready itself', async () => {
    const rig = createRig({ a: 'BREAKER_OPEN' }, { request: image, deps: { isCapable: only('none') } })
    await expect(rig.ask()).rejects.toMatchObject({ code: 'BREAKER_OPEN' })
    expect(rig.asked[0]!.context.patience).toMatchObject({ ready: { untilMs: 30_000 } })
  })

  it('the local model only talks; the message is for people, not for programs', async () => {
    const off = { a: 'BREAKER_OPEN' } as const
    const local: DegradeDeps['local'] = { name: 'tiny', answer: async () => replyOf('tiny') }
    const served = async (request: Partial<ChatRequest>) =>
      await createRig(off, { request, config: { ...FALLBACK, degradeModels: [] }, deps: { local } })
        .ask()
        .then(
          ({ how }) => how?.served,
          ({ code }: SurefootError) => code,
        )
    expect(await served({})).toBe('degraded')
    expect(await served(image)).toBe('fallback')
    expect(await served(toolTalk)).toBe('fallback')
    expect(await served(tools)).toBe('BREAKER_OPEN')
    expect(await served({ format: 'json' })).toBe('BREAKER_OPEN')
    expect(await served({ format: { type: 'object' } })).toBe('BREAKER_OPEN')
  })
})

describe('what a rung wants done at the end', () => {
  it('is done as the rung ended, not as the call did', async () => {
    const ends: string[] = []
    const time = createVirtualTime()
    const layer = createDegrade(readConfig({ degradeModels: 'b' }), {
      clock: time.clock,
      telemetry: createTelemetry(),
      isUsable: () => true,
      isMissing: () => false,
      isCapable: async () => true,
    })
    const service = layer(async ({ model }, { defer }) => {
      defer(({ kind }) => ends.push(`${model} ${kind}`))
      if (model === 'a') throw error('BREAKER_OPEN')
      return replyOf(model)
    })
    const deferred: ((end: CallEnd) => void)[] = []
    const context: CallContext = {
      id: 'run-1',
      signal: new AbortController().signal,
      abort: () => {},
      deadlineAtMs: 1_000,
      attempt: 1,
      exclude: new Set(),
      emit: () => {},
      defer: (cleanup) => deferred.push(cleanup),
    }
    const call: Call = { kind: 'chat', model: 'a', request: { messages: MESSAGES }, buffered: false }
    await service(call, context)
    expect(ends).toEqual(['a failed'])
    for (const cleanup of deferred) cleanup({ kind: 'aborted' })
    expect(ends).toEqual(['a failed', 'b aborted'])
  })
})
