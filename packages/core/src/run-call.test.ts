import { getEventListeners } from 'node:events'

import { SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput, RunEvent } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from './config/read-config.ts'
import { AttemptFailure } from './outcome/attempt-failure.ts'
import { classify } from './outcome/classify.ts'
import { runCall } from './run-call.ts'
import type { Call, CallContext, CallEnd, Delta, Final, Reply, Service } from './service.ts'

const BASE = { model: 'llama3.2', created_at: '2026-11-23T03:31:41Z' }
const message = (content: string) => ({ role: 'assistant', content })
const delta = (text: string): Delta => ({
  type: 'delta',
  text,
  bytes: Buffer.from(text),
  chunk: { ...BASE, message: message(text), done: false },
})
const FINAL: Final = {
  bytes: Buffer.from('{"the":"final line"}'),
  chunk: { ...BASE, message: message(''), done: true, done_reason: 'stop', eval_count: 2 },
}
const BROKEN = new AttemptFailure(
  classify({ kind: 'no-end-mark', gotToken: true }, { backend: 'http://a:1', model: 'llama3.2' }),
  'http://a:1',
)

async function* body(texts: readonly string[], failure?: Error): Reply['body'] {
  yield* texts.map(delta)
  if (failure !== undefined) throw failure
  return FINAL
}

/** A stack that answers with these texts, or breaks after them. */
const answers =
  (texts: readonly string[], failure?: Error): Service =>
  async (_call, context) => {
    context.emit({ type: 'attempt', attempt: 1, backend: 'http://a:1' })
    return { backend: 'http://a:1', body: body(texts, failure) }
  }

/** A stack that waits until it is ended from above. */
const waits: Service = (_call, context) =>
  new Promise((_resolve, reject) => {
    context.emit({ type: 'queued', position: 1, waitingFor: 'slot' })
    context.signal.addEventListener('abort', () => reject(context.signal.reason as Error))
  })

function createRig(stack: Service, admit: () => void = () => {}) {
  const time = createVirtualTime()
  const seen: { call?: Call; context?: CallContext; end?: CallEnd } = {}
  const watched: Service = (call, context) => {
    Object.assign(seen, { call, context })
    context.defer((end) => (seen.end = end))
    return stack(call, context)
  }
  return {
    time,
    seen,
    start(input: ChatInput = 'What is water?', options: CallOptions = {}) {
      return runCall(input, options, {
        stack: watched,
        config: readConfig(),
        runtime: time,
        createId: () => 'run-1',
        admit,
      })
    },
  }
}

async function eventsOf(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

describe('a run', () => {
  it('names the backend that ended a resumed answer, and how often it was gone on with', async () => {
    const resumes: Service = async (_call, context) => {
      const text = async function* (): Reply['body'] {
        yield delta('Water ')
        context.emit({ type: 'attempt', attempt: 2, backend: 'http://b:1' })
        context.emit({ type: 'resumed', atChar: 6, attempt: 2, backend: 'http://b:1' })
        yield delta('is wet.')
        return FINAL
      }
      context.emit({ type: 'attempt', attempt: 1, backend: 'http://a:1' })
      return { backend: 'http://a:1', body: text() }
    }
    expect(await createRig(resumes).start().run.answer).toMatchObject({
      message: { content: 'Water is wet.' },
      attempts: 2,
      resumed: 1,
      backend: 'http://b:1',
    })
  })

  it('takes the id of its caller where that is a UUID, and nothing else', async () => {
    const runId = '0d6f1c7e-3c1b-4a7e-9f61-2a4b6c8d0e1f'
    const rig = createRig(answers(['Hi']))
    const started = rig.start('Hi', { runId })
    expect([started.run.id, (await started.run.answer).id, rig.seen.context?.id]).toEqual([runId, runId, runId])
    expect(rig.start('Hi', { runId: 'a\nforged line' }).run.id).toBe('run-1')
  })

  it('ends what is below it when a fault of our own ends it', async () => {
    const broken = { ...delta('x'), toolCalls: 5 } as unknown as Delta
    const { start, seen } = createRig(async () => ({
      backend: 'http://a:1',
      body: (async function* () {
        yield broken
        return FINAL
      })(),
    }))
    const { run, ended } = start()
    await expect(run.answer).rejects.toMatchObject({ code: 'INTERNAL' })
    await ended
    expect(seen.context?.signal.aborted).toBe(true)
    expect(seen.end).toMatchObject({ kind: 'failed', error: { code: 'INTERNAL' } })
  })

  it('tells what happens, piece by piece, and ends with finish', async () => {
    const { run, ended } = createRig(answers(['Wa', 'ter'])).start()
    const events = await eventsOf(run)
    await ended
    expect(JSON.parse(JSON.stringify(events))).toEqual([
      { type: 'attempt', attempt: 1, backend: 'http://a:1' },
      { type: 'delta', text: 'Wa', bytes: expect.anything(), chunk: expect.anything() },
      { type: 'delta', text: 'ter', bytes: expect.anything(), chunk: expect.anything() },
      {
        type: 'finish',
        answer: {
          ...BASE,
          message: message('Water'),
          done: true,
          done_reason: 'stop',
          eval_count: 2,
          id: 'run-1',
          attempts: 1,
          backend: 'http://a:1',
          served: 'model',
          resumed: 0,
        },
      },
    ])
    expect(run.id).toBe('run-1')
    expect((await run.answer).message.content).toBe('Water')
  })

  it('the final line as it came is there for who wants it', async () => {
    const events = await eventsOf(createRig(answers(['x'])).start().run)
    expect((events.at(-1) as { bytes?: Uint8Array }).bytes).toBe(FINAL.bytes)
  })

  it('who wants the answer whole gets no pieces', async () => {
    const rig = createRig(answers(['Wa', 'ter']))
    const { run } = rig.start('What is water?', { buffered: true })
    const events = await eventsOf(run)
    expect(events.map(({ type }) => type)).toEqual(['attempt', 'finish'])
    expect((await run.answer).message.content).toBe('Water')
    expect(rig.seen.call?.buffered).toBe(true)
  })

  it('has its deadline from the call, else from the configuration', async () => {
    const rig = createRig(waits)
    await rig.time.advance(1_000)
    rig.start('x', { deadlineMs: 5_000 }).run.answer.catch(() => {})
    expect(rig.seen.context?.deadlineAtMs).toBe(6_000)
    rig.start('x').run.answer.catch(() => {})
    expect(rig.seen.context?.deadlineAtMs).toBe(901_000)
  })

  it('what was deferred runs once at the end, and is told how it ended', async () => {
    const rig = createRig(answers(['Wa', 'ter']))
    const { run, ended } = rig.start()
    await run.answer
    await ended
    expect(rig.seen.end).toMatchObject({ kind: 'answered', answer: { message: { content: 'Water' } } })
  })
})

describe('a failure', () => {
  it('is the error of the verdict, with the attempts made', async () => {
    const refused = classify(
      { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false },
      { backend: 'http://a:1', model: 'llama3.2' },
    )
    const rig = createRig(async (_call, { emit }) => {
      emit({ type: 'attempt', attempt: 1, backend: 'http://a:1' })
      emit({ type: 'attempt', attempt: 2, backend: 'http://a:1', reason: 'CANNOT_CONNECT' })
      throw new AttemptFailure(refused, 'http://a:1')
    })
    const { run } = rig.start()
    await expect(run.answer).rejects.toMatchObject({
      code: 'CANNOT_CONNECT',
      message: 'Cannot connect to Ollama at http://a:1',
      attempts: 2,
    })
    expect(rig.seen.end).toMatchObject({ kind: 'failed', error: { code: 'CANNOT_CONNECT' } })
  })

  it('in the middle has the text that was shown', async () => {
    const { run } = createRig(answers(['Wa', 'ter'], BROKEN)).start()
    await expect(eventsOf(run)).rejects.toMatchObject({ code: 'STREAM_INTERRUPTED', partial: 'Water', attempts: 1 })
  })

  it('of an answer that was wanted whole has no part of it', async () => {
    const { run } = createRig(answers(['Wa', 'ter'], BROKEN)).start('x', { buffered: true })
    const error: unknown = await run.answer.catch((failure: unknown) => failure)
    expect(SurefootError.is(error) && error.partial).toBeUndefined()
  })

  it('of ours is INTERNAL, and says nothing of what was asked', async () => {
    const bug = new TypeError("cannot read 'What is water?'")
    const { run } = createRig(() => Promise.reject(bug)).start()
    const error = (await run.answer.catch((failure: unknown) => failure)) as SurefootError
    expect(error).toMatchObject({ code: 'INTERNAL', message: 'Surefoot itself failed while answering.' })
    expect(JSON.stringify(error)).not.toContain('water')
    expect(error.cause).toBe(bug)
  })

  it('of the request is told before anything below hears of it', async () => {
    const rig = createRig(answers(['x']))
    await expect(rig.start('').run.answer).rejects.toMatchObject({ code: 'INVALID_REQUEST', attempts: 0 })
    expect(rig.seen.call).toBeUndefined()
  })

  it('to take new calls, likewise', async () => {
    const closing = new SurefootError({ code: 'SHUTTING_DOWN', message: 'closing' })
    const rig = createRig(answers(['x']), () => {
      throw closing
    })
    const { run, ended } = rig.start()
    await expect(run.answer).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    await ended
    expect(rig.seen.call).toBeUndefined()
  })
})

describe('an end from above', () => {
  it("the caller's own abort comes back untouched, and no listener is left on the signal", async () => {
    const rig = createRig(waits)
    const controller = new AbortController()
    const { run, ended } = rig.start('x', { signal: controller.signal })
    const reason = { why: 'the reader has left' }
    controller.abort(reason)
    await expect(run.answer).rejects.toBe(reason)
    await ended
    expect(rig.seen.end).toEqual({ kind: 'aborted' })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('a signal that lives on has no listener after the answer', async () => {
    const controller = new AbortController()
    const { run } = createRig(answers(['x'])).start('x', { signal: controller.signal })
    await run.answer
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('a signal that was aborted before starts nothing', async () => {
    const rig = createRig(answers(['x']))
    const reason = new Error('left before')
    await expect(rig.start('x', { signal: AbortSignal.abort(reason) }).run.answer).rejects.toBe(reason)
    expect(rig.seen.call).toBeUndefined()
  })

  it('a run that is stopped ends everything below', async () => {
    const rig = createRig(waits)
    const { run, ended } = rig.start()
    run.stop()
    await expect(run.answer).rejects.toMatchObject({ name: 'AbortError' })
    await ended
    expect(rig.seen.context?.signal.aborted).toBe(true)
    expect(rig.seen.end).toEqual({ kind: 'aborted' })
  })

  it('so does a reader that leaves its loop', async () => {
    const rig = createRig(waits)
    const { run, ended } = rig.start()
    for await (const { type } of run) {
      expect(type).toBe('queued')
      break
    }
    await ended
    expect(rig.seen.end).toEqual({ kind: 'aborted' })
  })

  it('a deadline is an error of ours, not an abort', async () => {
    const rig = createRig(waits)
    const { run } = rig.start()
    rig.seen.context?.abort(new SurefootError({ code: 'DEADLINE_EXCEEDED', message: 'No whole answer within 5 s.' }))
    await expect(run.answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(rig.seen.end).toMatchObject({ kind: 'failed', error: { code: 'DEADLINE_EXCEEDED' } })
  })

  it('a reader that falls behind holds the source back, and an abort ends that too', async () => {
    let taken = 0
    async function* endless(): Reply['body'] {
      for (;;) {
        taken++
        yield delta('x')
      }
    }
    const rig = createRig(async () => ({ backend: 'http://a:1', body: endless() }))
    const { run, ended } = rig.start()
    const events = run[Symbol.asyncIterator]()
    await events.next()
    await rig.time.advance(0)
    expect(taken).toBeLessThan(300)
    run.stop()
    await ended
    expect(rig.seen.end).toEqual({ kind: 'aborted' })
  })
})
