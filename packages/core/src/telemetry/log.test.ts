import { pino } from 'pino'
import { describe, expect, it } from 'vitest'

import { logTelemetry } from './log.ts'
import { createTelemetry } from './telemetry.ts'
import type { TelemetryEvent } from './telemetry.ts'

/** The record that pino writes for an event. */
function record(event: TelemetryEvent): Record<string, unknown> & { readonly level: string; readonly msg: string } {
  const lines: string[] = []
  const log = pino(
    { level: 'trace', base: null, formatters: { level: (level) => ({ level }) } },
    { write: (line) => lines.push(line) },
  )
  const telemetry = createTelemetry()
  logTelemetry(telemetry, log)
  telemetry.emit(event)
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0]!) as ReturnType<typeof record>
}

const said = (event: TelemetryEvent): string => {
  const { level, msg } = record(event)
  return `${level}: ${msg}`
}

const CALL_END = { type: 'call-end', id: 'run-1', model: 'llama3.2', attempts: 1, durationMs: 1_234.5 } as const
const BREAKER = { backend: 'http://a:1', failures: 5, reason: 'CANNOT_CONNECT' } as const

describe("the guide's log lines, with its words and levels", () => {
  it('client initialised', () => {
    expect(said({ type: 'client-init', backends: ['http://a:1', 'http://b:1'], model: 'llama3.2' })).toBe(
      'info: OllamaClient initialized: http://a:1,http://b:1, model: llama3.2',
    )
  })

  it('generating for a prompt of that length', () => {
    expect(said({ type: 'call-start', id: 'run-1', model: 'llama3.2', promptLength: 42 })).toBe(
      'info: Generating response for prompt (length: 42)',
    )
  })

  it('answered in that many seconds', () => {
    expect(said({ ...CALL_END, outcome: 'answered' })).toBe('info: Response generated successfully in 1.23s')
  })

  it('the breaker opens, tries to recover, has recovered', () => {
    expect(said({ ...BREAKER, type: 'breaker-open' })).toBe('error: Circuit breaker: Opening circuit after 5 failures')
    expect(said({ ...BREAKER, type: 'breaker-open', again: true })).toBe(
      'warn: Circuit breaker: Recovery failed, still open (CANNOT_CONNECT)',
    )
    expect(said({ ...BREAKER, type: 'breaker-half-open' })).toBe(
      'info: Circuit breaker: Attempting recovery (half-open state)',
    )
    expect(said({ ...BREAKER, type: 'breaker-closed' })).toBe(
      'info: Circuit breaker: Recovery successful (closed state)',
    )
  })
})

describe('the other lines', () => {
  it('a backend that is out and back, comes and goes', () => {
    const backend = 'http://a:1'
    expect(said({ type: 'backend-out', backend, state: 'wedged', reason: 'it produces no token' })).toBe(
      'warn: Backend http://a:1 is wedged: it produces no token',
    )
    expect(said({ type: 'backend-back', backend })).toBe('info: Backend http://a:1 is back')
    expect(said({ type: 'backend-join', backend })).toBe('info: Backend http://a:1 has joined')
    expect(said({ type: 'backend-leave', backend })).toBe('info: Backend http://a:1 has left')
  })

  it('a load that ended well, and one that did not', () => {
    const load = { type: 'load-end', backend: 'http://a:1', model: 'llama3.2', durationMs: 1_234.5 } as const
    expect(said(load)).toBe('info: Model llama3.2 loaded in 1.23s')
    expect(said({ ...load, problem: 'out of memory' })).toBe(
      'warn: Model llama3.2 not loaded after 1.23s: out of memory',
    )
  })

  it('a call that failed, with its sentence', () => {
    expect(said({ ...CALL_END, outcome: 'CANNOT_CONNECT', problem: 'Cannot connect to Ollama at http://a:1' })).toBe(
      'error: Request failed after 1.23s: Cannot connect to Ollama at http://a:1',
    )
  })

  it('a call whose caller left is no error', () => {
    expect(said({ ...CALL_END, outcome: 'aborted' })).toBe('info: Request aborted by the caller after 1.23s')
  })

  it('an attempt that failed, and whether there will be another', () => {
    const failed = {
      type: 'attempt-fail',
      id: 'run-1',
      attempt: 2,
      backend: 'http://a:1',
      code: 'BACKEND_FAILED',
      problem: 'Ollama at http://a:1 failed: unexpected EOF',
    } as const
    expect(said({ ...failed, waitMs: 1_000 })).toBe(
      'warn: Attempt 2 failed: Ollama at http://a:1 failed: unexpected EOF; trying again in 1.00s',
    )
    expect(said({ ...failed, waitMs: 10, waitsForBackend: true })).toBe(
      'warn: Attempt 2 failed: Ollama at http://a:1 failed: unexpected EOF; no backend may be asked now',
    )
    expect(said(failed)).toBe('warn: Attempt 2 failed: Ollama at http://a:1 failed: unexpected EOF')
  })

  it('every record has the name of its event and its fields', () => {
    expect(record({ ...BREAKER, type: 'breaker-open' })).toMatchObject({ event: 'breaker-open', ...BREAKER })
    expect(record({ ...CALL_END, outcome: 'answered', tokens: 7 })).toMatchObject({
      event: 'call-end',
      id: 'run-1',
      tokens: 7,
      durationMs: 1_234.5,
    })
  })

  it('the Redis of the cache, when it cannot be used and when it can again', () => {
    expect(said({ type: 'cache-store-out', problem: 'ECONNREFUSED' })).toBe(
      'warn: The Redis of the cache cannot be used: ECONNREFUSED; calls go on without it',
    )
    expect(said({ type: 'cache-store-back' })).toBe('info: The Redis of the cache is back')
  })

  it('stop when they are told to', () => {
    const lines: string[] = []
    const telemetry = createTelemetry()
    const stop = logTelemetry(telemetry, pino({ level: 'info' }, { write: (line) => lines.push(line) }))
    stop()
    telemetry.emit({ ...BREAKER, type: 'breaker-open' })
    expect(lines).toEqual([])
  })
})

describe('telemetry', () => {
  it('a listener that throws reaches neither the call nor the other listeners', () => {
    const faults: unknown[] = []
    const seen: string[] = []
    const telemetry = createTelemetry((fault) => faults.push(fault))
    const fault = new Error('a broken dashboard')
    telemetry.on(() => {
      throw fault
    })
    telemetry.on(({ type }) => seen.push(type))
    telemetry.emit({ ...BREAKER, type: 'breaker-open' })
    expect(seen).toEqual(['breaker-open'])
    expect(faults).toEqual([fault])
  })
})
