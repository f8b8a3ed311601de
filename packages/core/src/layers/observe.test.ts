import { SurefootError } from '@surefoot/protocol'
import type { ChatAnswer } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { Call, CallContext, CallEnd, Reply, Service } from '../service.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../telemetry/telemetry.ts'
import { createObserve } from './observe.ts'

const SECRET = 'my secret question'
const CALL: Call = {
  kind: 'chat',
  model: 'llama3.2',
  request: {
    messages: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: SECRET },
    ],
  },
  body: Buffer.from(SECRET),
  buffered: false,
  promptLength: 14 + SECRET.length,
}
const ANSWER: ChatAnswer = {
  id: 'run-1',
  model: 'llama3.2',
  created_at: '2026-11-23T03:31:41Z',
  message: { role: 'assistant', content: 'a secret answer' },
  done: true,
  eval_count: 12,
  served: 'model',
  attempts: 2,
  resumed: 0,
  backend: 'http://a:1',
}

/** The layer over this `next`, and what was told when the call ended like that. */
async function observed(next: Service, end: CallEnd, call: Call = CALL): Promise<TelemetryEvent[]> {
  const time = createVirtualTime()
  const events: TelemetryEvent[] = []
  const telemetry = createTelemetry()
  telemetry.on((event) => events.push(event))
  const cleanups: ((end: CallEnd) => void)[] = []
  const context: CallContext = {
    id: 'run-1',
    signal: new AbortController().signal,
    abort: () => {},
    deadlineAtMs: 900_000,
    attempt: 1,
    exclude: new Set(),
    emit: () => {},
    defer: (cleanup) => cleanups.push(cleanup),
  }
  const slow: Service = async (asked, below) => {
    await new Promise<void>((resolve) => void time.timers.set(1_500, resolve))
    return await next(asked, below)
  }
  const reply = createObserve(time, telemetry)(slow)(call, context)
  reply.catch(() => {})
  await time.advance(4_000)
  await reply.catch(() => {})
  for (const cleanup of cleanups) cleanup(end)
  return events
}

const answers: Service = async (_call, { emit }) => {
  emit({ type: 'attempt', attempt: 1, backend: 'http://a:1' })
  return {} as Reply
}

describe('what is told of a call', () => {
  it('that it begins, and how it ended', async () => {
    expect(await observed(answers, { kind: 'answered', answer: ANSWER })).toEqual([
      { type: 'call-start', id: 'run-1', model: 'llama3.2', promptLength: 14 + SECRET.length },
      {
        type: 'call-end',
        id: 'run-1',
        model: 'llama3.2',
        outcome: 'answered',
        served: 'model',
        durationMs: 4_000,
        firstTokenMs: 1_500,
        attempts: 2,
        backend: 'http://a:1',
        tokens: 12,
      },
    ])
  })

  it('no time to the first token of an answer that came whole', async () => {
    const events = await observed(answers, { kind: 'answered', answer: ANSWER }, { ...CALL, buffered: true })
    expect(events.at(-1)).toMatchObject({ outcome: 'answered', firstTokenMs: undefined })
  })

  it('the error, its sentence and where it happened', async () => {
    const error = new SurefootError({
      code: 'CANNOT_CONNECT',
      message: 'Cannot connect to Ollama at http://a:1',
      backend: 'http://a:1',
      attempts: 4,
    })
    const events = await observed(() => Promise.reject(error), { kind: 'failed', error })
    expect(events.at(-1)).toMatchObject({
      outcome: 'CANNOT_CONNECT',
      attempts: 4,
      backend: 'http://a:1',
      problem: 'Cannot connect to Ollama at http://a:1',
      firstTokenMs: undefined,
    })
  })

  it('how many attempts an aborted call had made, and where the last one went', async () => {
    const leaves: Service = async (_call, { emit }) => {
      emit({ type: 'attempt', attempt: 1, backend: 'http://a:1' })
      emit({ type: 'attempt', attempt: 2, backend: 'http://b:1' })
      throw new Error('left')
    }
    const events = await observed(leaves, { kind: 'aborted' })
    expect(events.at(-1)).toMatchObject({ outcome: 'aborted', attempts: 2, backend: 'http://b:1' })
  })

  it('never what was said', async () => {
    const ends: CallEnd[] = [
      { kind: 'answered', answer: ANSWER },
      { kind: 'failed', error: new SurefootError({ code: 'INTERNAL', message: 'no', partial: 'a secret answer' }) },
      { kind: 'aborted' },
    ]
    for (const end of ends) expect(JSON.stringify(await observed(answers, end))).not.toContain('secret')
  })
})
