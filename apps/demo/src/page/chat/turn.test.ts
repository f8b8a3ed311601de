import { ERROR_CODES, SurefootError, type ChatAnswer, type RunEvent } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { newTurn, turnAfterError, turnAfterEvent, type Turn } from './turn.ts'

const backend = 'http://127.0.0.1:11434'

const answer: ChatAnswer = {
  model: 'llama3.2',
  created_at: '',
  message: { role: 'assistant', content: 'Hello there' },
  done: true,
  id: 'a',
  served: 'model',
  attempts: 2,
  resumed: 0,
  backend,
  eval_count: 20,
  eval_duration: 500_000_000,
}

const NEW = newTurn({ id: 1, classNumber: 3, question: 'Hi', askedAtMs: 1_000_000, remembered: 0 })

function after(...events: RunEvent[]): Turn {
  return events.reduce((turn, event, index) => turnAfterEvent(turn, event, (index + 1) * 100), NEW)
}

describe('a turn', () => {
  it('says what it waits for in words for a child, and keeps those of the machinery', () => {
    expect(after({ type: 'queued', position: 2, waitingFor: 'slot' }).doing).toBe(
      'Waiting for our turn, number 2 in the line …',
    )
    expect(after({ type: 'queued', position: 1, waitingFor: 'backend', expectedWaitMs: 4000 })).toMatchObject({
      doing: 'Waiting for the mentor to come back, about 4.0 s …',
      trail: [{}, { text: 'waiting for a backend to come back, place 1, about 4.0 s' }],
    })
    expect(after({ type: 'loading', model: 'llama3.2', backend, expectedMs: 4000 })).toMatchObject({
      doing: 'The mentor is waking up, about 4.0 s …',
      trail: [{}, { text: 'loading llama3.2 into memory, about 4.0 s' }],
    })
    expect(after({ type: 'attempt', attempt: 1, backend }).doing).toBe('The mentor is thinking …')
    expect(after({ type: 'attempt', attempt: 2, backend, reason: 'BACKEND_FAILED' })).toMatchObject({
      doing: 'Looking for the mentor again (try\u00A02)\u00A0…',
      trail: [{}, { text: `attempt 2 after BACKEND_FAILED at ${backend}` }],
    })
  })

  it('says how long it may take where that is known', () => {
    const queued: RunEvent = { type: 'queued', position: 3, waitingFor: 'slot', expectedWaitMs: 2500 }
    expect(after(queued).doing).toBe('Waiting for our turn, number 3 in the line, about 2.5 s …')
  })

  it('remembers where it broke and was gone on with, and whether another backend did', () => {
    const other = 'http://127.0.0.1:11435'
    const begun: RunEvent[] = [
      { type: 'attempt', attempt: 1, backend },
      { type: 'delta', text: 'Hello' },
    ]
    const goOn = (on: string): RunEvent[] => [
      { type: 'attempt', attempt: 2, backend: on, reason: 'STREAM_INTERRUPTED' },
      { type: 'resumed', atChar: 5, attempt: 2, backend: on },
      { type: 'delta', text: ' there' },
    ]
    expect(after(...begun, ...goOn(other))).toMatchObject({
      text: 'Hello there',
      seams: [{ atChar: 5, isElsewhere: true }],
      attempts: 2,
      backend: other,
    })
    expect(after(...begun, ...goOn(backend)).seams).toEqual([{ atChar: 5, isElsewhere: false }])
  })

  it('grows with the tokens and knows when the first one came', () => {
    const turn = after(
      { type: 'attempt', attempt: 1, backend },
      { type: 'delta', text: 'Hel' },
      { type: 'delta', text: 'lo' },
    )
    expect(turn).toMatchObject({ state: 'answering', text: 'Hello', firstTokenMs: 200, tokens: 2 })
  })

  it('ends whole with how it came about', () => {
    const turn = after({ type: 'delta', text: 'Hello' }, { type: 'finish', answer })
    expect(turn).toMatchObject({
      state: 'whole',
      text: 'Hello there',
      attempts: 2,
      served: 'model',
      tokensPerSecond: 40,
    })
  })

  it('marks a fallback, with the sentence and the hint of what went wrong', () => {
    const fault = new SurefootError({ code: 'BREAKER_OPEN', message: 'Circuit breaker is OPEN - service unavailable' })
    const asked = after({ type: 'delta', text: 'Trouble.' })
    const fallback = {
      ...answer,
      served: 'fallback',
      reason: fault.code,
      message: { role: 'assistant', content: 'Trouble.' },
    }
    const turn = turnAfterEvent(asked, { type: 'finish', answer: fallback as ChatAnswer }, 900, fault)
    expect(turn).toMatchObject({ state: 'whole', text: 'Trouble.', served: 'fallback', firstTokenMs: undefined })
    expect(turn.problem).toEqual({ code: fault.code, message: fault.message, hint: fault.hint })
  })

  it('does not take the fault of an earlier question for the reason of a fallback of the server', () => {
    const stale = new SurefootError({ code: 'SERVER_UNREACHABLE', message: 'The server was away.' })
    const fallback = { ...answer, served: 'fallback', reason: 'BREAKER_OPEN', attempts: 0 } as const
    const turn = turnAfterEvent(NEW, { type: 'finish', answer: fallback }, 900, stale)
    expect(turn.problem).toMatchObject({ code: 'BREAKER_OPEN', message: ERROR_CODES.BREAKER_OPEN.meaning })
  })

  it('knows of an answer from the cache how old it is, and claims no pace for it', () => {
    const cached: ChatAnswer = { ...answer, served: 'cache', cachedAtMs: 1_000_000 - 59_900, attempts: 0 }
    const turn = after({ type: 'delta', text: 'Hello there' }, { type: 'finish', answer: cached })
    expect(turn).toMatchObject({ state: 'whole', served: 'cache', ageMs: 60_100, tokensPerSecond: undefined })
    expect(turn.trail.slice(-2)).toEqual([
      { atMs: 200, text: 'from the cache, written 60 s ago' },
      { atMs: 200, text: 'whole' },
    ])
    // The clock of the server may be ahead of ours.
    expect(turnAfterEvent(NEW, { type: 'finish', answer: { ...cached, cachedAtMs: 2_000_000 } }, 5).ageMs).toBe(0)
  })

  it('knows which model answered in the place of which, why, and for which experiment', () => {
    const other: ChatAnswer = {
      ...answer,
      model: 'llama3.2:1b',
      served: 'degraded',
      reason: 'MODEL_FAILED',
      variant: 'voice/calm',
    }
    const turn = after({ type: 'finish', answer: other })
    expect(turn).toMatchObject({ model: 'llama3.2:1b', variant: 'voice/calm', runId: 'a', reason: 'MODEL_FAILED' })
    expect(turn.trail.map(({ text }) => text)).toEqual([
      'asked',
      'took part in an experiment: voice/calm',
      'another model answered, llama3.2:1b, because of MODEL_FAILED',
      'whole, 40 tokens/s',
    ])
  })

  it('says of a question that is too long what it needs and what there is', () => {
    const error = new SurefootError({
      code: 'CONTEXT_OVERFLOW',
      message: 'Too long.',
      neededTokens: 5200,
      availableTokens: 512,
    })
    expect(turnAfterError(NEW, error, 5).problem?.size).toEqual({ needed: 5200, available: 512 })
    const other = new SurefootError({ code: 'BREAKER_OPEN', message: 'No.' })
    expect(turnAfterError(NEW, other, 5).problem?.size).toBeUndefined()
  })

  it('keeps what arrived of an answer that broke', () => {
    const error = new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'It broke.', attempts: 1 })
    const turn = turnAfterError(after({ type: 'delta', text: 'Hel' }), error, 300)
    expect(turn).toMatchObject({ state: 'broken', text: 'Hel', problem: { message: 'It broke.' } })
  })

  it('is stopped, not broken, when the person stopped it', () => {
    const turn = turnAfterError(after({ type: 'delta', text: 'Hel' }), new DOMException('stop', 'AbortError'), 300)
    expect(turn).toMatchObject({ state: 'stopped', text: 'Hel' })
    expect(turn.problem).toBeUndefined()
  })
})
