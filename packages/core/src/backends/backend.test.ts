import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { SurefootConfig } from '../config/config.ts'
import { readConfig } from '../config/read-config.ts'
import { classify } from '../outcome/classify.ts'
import type { Failure } from '../outcome/failure.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Fleet } from './fleet.ts'

const status = (code: number, text: string): Failure => ({
  kind: 'status',
  status: code,
  body: JSON.stringify({ error: text }),
  elapsedMs: 5_000,
})
const CRASH = status(500, 'unexpected EOF')
const REFUSED: Failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }

function createRig(given: SurefootConfig = {}) {
  const time = createVirtualTime({ startAtMs: 1_800_000_000_000 })
  const config = readConfig({ backends: 'http://user:hunter2@a:1', ...given })
  const events: TelemetryEvent[] = []
  const telemetry = createTelemetry()
  telemetry.on((event) => events.push(event))
  const backends = config.backends.map((url) => new Backend(url, config, time, telemetry))
  const fail = (backend: Backend, failure: Failure, model = 'llama3.2'): void => {
    const verdict = classify(failure, { backend: backend.name, model })
    backend.lease(model).end({ kind: 'failed', verdict })
  }
  return { time, backend: backends[0]!, backends, fleet: new Fleet(backends), events, fail }
}

describe('a backend', () => {
  it('has its address without the password for a name', () => {
    const { backend } = createRig()
    expect(backend.name).toBe('http://a:1')
  })

  it('counts what its attempts came to', () => {
    const { backend, fail } = createRig()
    backend.lease('llama3.2').end({ kind: 'whole' })
    backend.lease('llama3.2').end({ kind: 'left' })
    fail(backend, CRASH)
    fail(backend, status(400, 'model is required'))
    expect(backend.attempts).toEqual({ succeeded: 1, failed: 1, neutral: 2 })
  })

  it('holds the slot from the lease to its end, and gives it back once', () => {
    const { backend } = createRig()
    const lease = backend.lease('llama3.2')
    lease.firstToken()
    expect(backend.slots.held).toBe(1)
    lease.end({ kind: 'whole' })
    lease.end({ kind: 'whole' })
    expect(backend.slots.held).toBe(0)
    expect(backend.attempts.succeeded).toBe(1)
  })

  it('keeps the slot of a call that has left for as long as its Ollama may still work on it, and tells when it is free', async () => {
    const { backend, time } = createRig({ slots: 1 })
    backend.lease('llama3.2').end({ kind: 'left', staysTakenMs: 20_000 })
    await time.advance(19_999)
    expect(backend.slots.isFree('llama3.2')).toBe(false)
    let told = 0
    backend.onChange(() => told++)
    await time.advance(1)
    expect([backend.slots.isFree('llama3.2'), told]).toEqual([true, 1])
    backend.lease('llama3.2').end({ kind: 'left', staysTakenMs: 20_000 })
    backend.zombies.close()
    expect(time.pendingTimers).toBe(0)
  })

  it('tells whoever listens that a slot became free, until they no longer want to know', () => {
    const { backend } = createRig()
    let told = 0
    const stop = backend.onChange(() => told++)
    backend.lease('llama3.2').end({ kind: 'whole' })
    expect(told).toBe(1)
    stop()
    backend.lease('llama3.2').end({ kind: 'whole' })
    expect(told).toBe(1)
  })

  it.each([
    ['connect', REFUSED, 'open'],
    ['node', CRASH, 'open'],
    ['silence', { kind: 'silence', silentMs: 60_000, gotToken: false }, 'open'],
    ['a broken stream', { kind: 'no-end-mark', gotToken: false }, 'open'],
    ["the caller's mistake", status(400, 'model is required'), 'closed'],
    ['a missing model', status(404, "model 'x' not found"), 'closed'],
    ['overload', status(503, 'server busy, please try again.  maximum pending requests exceeded'), 'closed'],
    ['loading', status(503, 'Loading model'), 'closed'],
    ['a fault of the model', status(500, 'invalid file magic'), 'closed'],
  ] satisfies [string, Failure, string][])('whom a failure is held against: %s', (_name, failure, state) => {
    const { backend, fail } = createRig()
    for (let count = 0; count < 5; count++) fail(backend, failure)
    expect(backend.breaker.state).toBe(state)
  })

  it('tells of its breaker, by name and with the reason', () => {
    const { backend, fail, events, time } = createRig()
    for (let count = 0; count < 5; count++) fail(backend, REFUSED)
    expect(events).toEqual([{ type: 'breaker-open', backend: 'http://a:1', failures: 5, reason: 'CANNOT_CONNECT' }])
    void time.advance(0)
    expect(backend.breakerStatus(false)).toEqual({
      state: 'open',
      failures: 5,
      sinceAtMs: 1_800_000_000_000,
      reason: 'CANNOT_CONNECT',
      nextProbeAtMs: 1_800_000_060_000,
    })
    expect(backend.breakerStatus(true).nextProbeAtMs).toBe(1_800_000_001_000)
  })

  it('a model fault keeps this model away, not the others', () => {
    const { backend, backends, fail } = createRig({ backends: 'http://a:1,http://b:1' })
    fail(backend, status(500, 'llama runner process has terminated: exit status 2'))
    expect(backend.isUsable('llama3.2', false)).toBe(false)
    expect(backend.isUsable('qwen3', false)).toBe(true)
    expect(backends[1]!.isUsable('llama3.2', false)).toBe(true)
    expect(backend.usableAtMs('llama3.2', false)).toBe(600_000)
    expect(backend.usableAtMs('llama3.2', true)).toBe(1_000)
  })

  it('a missing model is asked for again after 30 s, or as soon as it was seen in the list', async () => {
    const { backend, fail, time } = createRig()
    fail(backend, status(404, "model 'llama3.2' not found"))
    expect(backend.isUsable('llama3.2', false)).toBe(false)
    let told = 0
    backend.onChange(() => told++)
    backend.forgiveMissing('llama3.2')
    expect(told).toBe(1)
    expect(backend.isUsable('llama3.2', false)).toBe(true)
    fail(backend, status(404, "model 'llama3.2' not found"))
    await time.advance(30_000)
    expect(backend.isUsable('llama3.2', false)).toBe(true)
  })

  it('seeing a model in the list does not forgive that it cannot run', () => {
    const { backend, fail } = createRig()
    fail(backend, status(500, 'invalid file magic'))
    backend.forgiveMissing('llama3.2')
    expect(backend.isUsable('llama3.2', false)).toBe(false)
  })

  it('is put to the test with one call too many, but not beside an answer that has stopped', async () => {
    const { backend, time } = createRig({ slots: 'auto' })
    const lease = backend.lease('llama3.2')
    lease.firstToken()
    await time.advance(5_000)
    expect(backend.mayTry('llama3.2')).toBe(true)
    await time.advance(1)
    expect(backend.mayTry('llama3.2')).toBe(false)
    backend.liveness.tokenAtMs = 5_001
    expect(backend.mayTry('llama3.2')).toBe(true)
  })

  it('that restarted may serve another number of calls at a time', () => {
    const { backend } = createRig({ slots: 'auto' })
    const leases = [backend.lease('llama3.2'), backend.lease('llama3.2')]
    for (const lease of leases) lease.firstToken()
    expect(backend.slots.sizeOf('llama3.2')).toBe(2)
    for (const lease of leases) lease.end({ kind: 'whole' })
    backend.returned()
    expect(backend.slots.sizeOf('llama3.2')).toBe(1)
  })

  it('usable again only when breaker and model both are', () => {
    const { backend, fail } = createRig()
    fail(backend, status(500, 'invalid file magic'))
    for (let count = 0; count < 5; count++) fail(backend, CRASH, 'qwen3')
    expect(backend.usableAtMs('llama3.2', false)).toBe(600_000)
    expect(backend.usableAtMs('qwen3', false)).toBe(60_000)
  })
})

describe('all backends', () => {
  it('the last one of a model is the one when no other can take a call for it', () => {
    const { fleet, backends, fail } = createRig({ backends: 'http://a:1,http://b:1' })
    expect(fleet.isLast(backends[0]!, 'llama3.2')).toBe(false)
    fail(backends[1]!, status(500, 'invalid file magic'))
    expect(fleet.isLast(backends[0]!, 'llama3.2')).toBe(true)
    expect(fleet.isLast(backends[0]!, 'qwen3')).toBe(false)
  })

  it('when all are down, each is the last one, and tried early', async () => {
    const { fleet, backends, fail, time } = createRig({ backends: 'http://a:1,http://b:1' })
    for (const backend of backends) for (let count = 0; count < 5; count++) fail(backend, REFUSED)
    expect(fleet.usable('llama3.2')).toEqual([])
    await time.advance(1_000)
    expect(fleet.usable('llama3.2')).toEqual(backends)
  })

  it('with one up, the other stays away for the whole time', async () => {
    const { fleet, backends, fail, time } = createRig({ backends: 'http://a:1,http://b:1' })
    for (let count = 0; count < 5; count++) fail(backends[0]!, REFUSED)
    await time.advance(59_999)
    expect(fleet.usable('llama3.2')).toEqual([backends[1]])
    expect(fleet.hasOther('llama3.2', new Set(['http://b:1']))).toBe(false)
    expect(fleet.hasOther('llama3.2', new Set(['http://a:1']))).toBe(true)
    await time.advance(1)
    expect(fleet.usable('llama3.2')).toEqual(backends)
  })
})
