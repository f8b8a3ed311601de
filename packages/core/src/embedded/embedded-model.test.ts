import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { Call, CallContext, Reply } from '../service.ts'
import { EmbeddedModel } from './embedded-model.ts'
import type { EmbeddedEngine, EmbeddedRequest, LoadEmbedded } from './engine.ts'

const FOREVER = Number.POSITIVE_INFINITY
const reason = new Error('enough')

interface RigOptions {
  readonly loadMs?: number
  readonly tokenMs?: number
  readonly load?: () => Promise<EmbeddedEngine>
  readonly generate?: EmbeddedEngine['generate']
}

/** A model that says five words, one every 10 ms, and stops a token after it was told to. */
function createRig(options: RigOptions = {}) {
  const { loadMs = 100, tokenMs = 10 } = options
  const time = createVirtualTime()
  const counts = { loads: 0, closed: 0, running: 0, mostRunning: 0 }
  const requests: EmbeddedRequest[] = []
  const pause = (ms: number): Promise<void> => new Promise((resolve) => time.timers.set(ms, resolve))
  const engine: EmbeddedEngine = {
    async generate(request) {
      requests.push(request)
      counts.mostRunning = Math.max(counts.mostRunning, ++counts.running)
      try {
        if (options.generate !== undefined) return await options.generate(request)
        for (const word of ['One', ' two', '', ' three', ' four']) {
          await pause(tokenMs)
          request.signal.throwIfAborted()
          request.onText(word)
        }
        return { promptTokens: 7, answerTokens: 5, isCut: request.maxTokens === 5 }
      } finally {
        counts.running--
      }
    },
    close: async () => void counts.closed++,
  }
  const load: LoadEmbedded = async () => {
    counts.loads++
    await pause(loadMs)
    return (await options.load?.()) ?? engine
  }
  const model = new EmbeddedModel('/models/tiny-1b.Q4.gguf', load, time)
  const answer = (call: Partial<Call> = {}, signal = new AbortController().signal, untilMs = FOREVER) =>
    model.answer(
      {
        kind: 'chat',
        model: 'a',
        request: { messages: [{ role: 'user', content: 'Count.' }] },
        buffered: false,
        ...call,
      },
      { signal } as CallContext,
      untilMs,
    )
  /** What a reader gets of it, while time passes. */
  const read = async (reply: Promise<Reply>) => {
    const ended = (async () => {
      const { backend, body } = await reply
      const beganAtMs = time.clock.monotonicMs()
      let text = ''
      for (;;) {
        const { value, done } = await body.next()
        if (done === true) return { backend, text, beganAtMs, final: value.chunk, bytes: value.bytes }
        text += value.text
      }
    })()
    ended.catch(() => {})
    await time.runUntilIdle()
    return await ended
  }
  return { time, counts, requests, model, answer, read }
}

describe('a model in this process', () => {
  it('is loaded by the first call that needs it, answers with its first token, and ends as Ollama does', async () => {
    const { counts, answer, read, model } = createRig()
    expect(model.name).toBe('tiny-1b.Q4')
    expect(counts.loads).toBe(0)
    const { final, bytes, ...rest } = await read(answer())
    expect(rest).toEqual({ backend: '', text: 'One two three four', beganAtMs: 110 })
    expect(final).toEqual({
      model: 'tiny-1b.Q4',
      created_at: '2027-01-15T08:00:00.150Z',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      total_duration: 150_000_000,
      load_duration: 100_000_000,
      prompt_eval_count: 7,
      prompt_eval_duration: 10_000_000,
      eval_count: 5,
      eval_duration: 40_000_000,
    })
    expect(JSON.parse(String(bytes))).toEqual(final)
    expect((await read(answer())).final).toMatchObject({ load_duration: 0 })
    expect(counts.loads).toBe(1)
  })

  it('whole answers are waited for whole', async () => {
    const { answer, read } = createRig()
    expect(await read(answer({ buffered: true }))).toMatchObject({ text: 'One two three four', beganAtMs: 150 })
  })

  it("takes Ollama's options, with Ollama's defaults", async () => {
    const { answer, read, requests } = createRig()
    const messages = [{ role: 'user', content: 'Count.' }]
    const options = { temperature: 0, top_k: 1, top_p: 0.5, seed: 0, stop: ['END'], num_predict: 5 }
    expect((await read(answer({ request: { messages, options } }))).final.done_reason).toBe('length')
    await read(answer({ request: { messages, options: { num_predict: -1, stop: 'END', seed: 'x' } } }))
    expect(requests).toMatchObject([
      { temperature: 0, topK: 1, topP: 0.5, seed: 0, stop: ['END'], maxTokens: 5, messages },
      { temperature: 0.8, topK: 40, topP: 0.9, seed: undefined, stop: ['END'], maxTokens: undefined },
    ])
  })

  it('answers one call after the other', async () => {
    const { answer, read, counts } = createRig()
    const all = await Promise.all([1, 2, 3].map(() => read(answer())))
    expect(all.map(({ text }) => text)).toEqual(['One two three four', 'One two three four', 'One two three four'])
    expect(all.map(({ beganAtMs }) => beganAtMs)).toEqual([110, 160, 210])
    expect(counts).toMatchObject({ loads: 1, mostRunning: 1 })
  })

  it('refuses who has not had his turn in his time', async () => {
    const { answer, read, time } = createRig()
    const first = read(answer())
    const late = answer({}, undefined, 100)
    const patient = read(answer({}, undefined, 200))
    await expect(late).rejects.toMatchObject({ code: 'QUEUE_TIMEOUT' })
    expect((await first).text).toBe('One two three four')
    expect((await patient).beganAtMs).toBe(160)
    expect(time.pendingTimers).toBe(0)
  })

  it.each([
    ['while it loads', 50],
    ['before its first token', 105],
    ['in the middle', 125],
  ])(
    'a caller who leaves %s is let go at once; the next one begins when nothing is written any more',
    async (_, atMs) => {
      const { answer, read, time, counts } = createRig()
      const controller = new AbortController()
      const left = read(answer({}, controller.signal))
      left.catch(() => {})
      const next = read(answer())
      time.timers.set(atMs, () => controller.abort(reason))
      await expect(left).rejects.toBe(reason)
      expect((await next).text).toBe('One two three four')
      expect(counts).toMatchObject({ loads: 1, mostRunning: 1, running: 0 })
      expect(time.pendingTimers).toBe(0)
    },
  )

  it('a caller who leaves while it waits for its turn leaves nothing behind', async () => {
    const { answer, read, time } = createRig()
    const controller = new AbortController()
    const first = read(answer())
    const waiting = answer({}, controller.signal, 10_000)
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(answer({}, controller.signal)).rejects.toBe(reason)
    await first
    expect(time.pendingTimers).toBe(0)
  })

  it('a reader who stops reading ends it', async () => {
    const { answer, time, counts, requests } = createRig()
    const reply = answer()
    await time.advance(115)
    for await (const { text } of (await reply).body) {
      expect(text).toBe('One')
      break
    }
    expect(requests[0]!.signal.aborted).toBe(true)
    await time.runUntilIdle()
    expect(counts.running).toBe(0)
  })

  it('what fails has a name, and the next call tries again', async () => {
    let loads = 0
    const broken = createRig({
      load: async () => {
        if (++loads === 1) throw new Error('out of memory')
        return undefined as never
      },
    })
    await expect(broken.read(broken.answer())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: 'tiny-1b.Q4, the model in this process, failed.',
    })
    expect((await broken.read(broken.answer())).text).toBe('One two three four')
    const overflow = new SurefootError({ code: 'CONTEXT_OVERFLOW', message: 'too long' })
    const full = createRig({ generate: () => Promise.reject(overflow) })
    await expect(full.read(full.answer())).rejects.toBe(overflow)
    await expect(full.read(full.answer({ buffered: true }))).rejects.toBe(overflow)
  })

  it('a load that takes too long is not waited for, and is there for those that come later', async () => {
    const { answer, read, time, counts } = createRig({ loadMs: 50_000 })
    const hasty = read(answer({}, undefined, 10_000))
    hasty.catch(() => {})
    await expect(hasty).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: 'tiny-1b.Q4, the model in this process, is still being loaded.',
    })
    expect((await read(answer())).text).toBe('One two three four')
    expect(counts.loads).toBe(1)
    expect(time.pendingTimers).toBe(0)
  })

  it('a load that never ends costs a minute once, and then nothing', async () => {
    const { answer, time, model, counts } = createRig({ loadMs: 1e9 })
    const failed = (at: number[]) => answer().catch(() => at.push(time.clock.monotonicMs()))
    const endedAtMs: number[] = []
    void failed(endedAtMs)
    await time.advance(60_000)
    void failed(endedAtMs)
    await time.advance(1)
    expect(endedAtMs).toEqual([60_000, 60_000])
    let closed = false
    void model.close().then(() => (closed = true))
    await time.advance(5_000)
    expect(closed).toBe(true)
    expect(counts.loads).toBe(1)
  })

  it('gives its memory back only when nothing is written any more, or 5 s later', async () => {
    const { answer, time, model, counts } = createRig()
    const controller = new AbortController()
    const left = answer({}, controller.signal)
    await time.advance(115)
    await left
    controller.abort(reason)
    let running: number | undefined
    const closed = model.close().then(() => (running = counts.running))
    await time.runUntilIdle()
    await closed
    expect(running).toBe(0)
    expect(counts.closed).toBe(1)
    const stuck = createRig({ generate: () => new Promise(() => {}) })
    void stuck.answer().catch(() => {})
    await stuck.time.advance(100)
    void stuck.model.close()
    await stuck.time.advance(4_999)
    expect(stuck.counts.closed).toBe(0)
    await stuck.time.advance(1)
    expect(stuck.counts.closed).toBe(1)
    expect(stuck.time.pendingTimers).toBe(0)
  })

  it('gives its memory back when it is closed, also when nobody has ever needed it', async () => {
    const { answer, read, model, counts } = createRig()
    await model.close()
    expect(counts).toMatchObject({ loads: 0, closed: 0 })
    await read(answer())
    await model.close()
    await model.close()
    expect(counts).toMatchObject({ loads: 1, closed: 1 })
  })
})
