import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ScriptedOllama } from '../../test/scripted-ollama.ts'
import type { SurefootConfig } from '../config/config.ts'
import { readConfig } from '../config/read-config.ts'
import { LoadOptions } from '../load-options.ts'
import { classify } from '../outcome/classify.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { stateForPeople } from './backend-state.ts'
import { Fleet } from './fleet.ts'
import type { Lease } from './lease.ts'
import { createMember } from './member.ts'

const URL = 'http://a:1'

/** One member in a fleet of its own; whether another backend could take a call is said by the test. */
function createRig(given: SurefootConfig = {}) {
  const time = createVirtualTime()
  const ollama = new ScriptedOllama(time)
  const loadOptions = new LoadOptions(time.clock)
  const rig = { hasOther: true, told: 0, gaveUp: [] as number[] }
  const member = createMember(URL, {
    config: readConfig({ backends: URL, ...given }),
    runtime: time,
    telemetry: createTelemetry(),
    connect: () => ollama.connection,
    isWaitedFor: () => false,
    hasOther: () => rig.hasOther,
    loadOptions,
  })
  const { backend } = member
  const fleet = new Fleet([backend])
  backend.onChange(() => rig.told++)
  ollama.inMemory.add('llama3.2')
  return Object.assign(rig, {
    time,
    ollama,
    member,
    backend,
    loadOptions,
    state: () => stateForPeople(backend, fleet),
    /** An attempt that is sent and waits for its first token. */
    attempt(mayBeQuiet = false): Lease {
      const lease = backend.lease('llama3.2')
      const giveUp = (silentMs: number): void => {
        rig.gaveUp.push(silentMs)
        lease.end({ kind: 'left' })
      }
      lease.watch({ model: 'llama3.2', mayBeQuiet, giveUp })
      return lease
    },
    /** It has answered before, so its model is known to be in memory. */
    warm() {
      const lease = backend.lease('llama3.2')
      lease.firstToken()
      lease.end({ kind: 'whole' })
    },
    refuse(afterMs = 1) {
      const lease = backend.lease('llama3.2')
      return time.advance(afterMs).then(() => {
        const failure = {
          kind: 'status',
          status: 503,
          body: '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
          elapsedMs: afterMs,
        } as const
        lease.end({ kind: 'failed', verdict: classify(failure, { backend: URL, model: 'llama3.2' }) })
      })
    },
  })
}

describe('a backend that answers everything but chats', () => {
  it('is asked for one token after 30 s without one, and is wedged 20 s later', async () => {
    const rig = createRig()
    rig.warm()
    await rig.time.advance(1_000)
    rig.ollama.mood = 'wedged'
    rig.attempt()
    expect(rig.state()).toMatchObject({ name: 'busy' })
    await rig.time.advance(32_000)
    expect(rig.ollama.canaries).toBe(1)
    expect(rig.backend.isUsable('llama3.2', false)).toBe(true)
    await rig.time.advance(20_000)
    expect(rig.state()).toMatchObject({ name: 'wedged', reason: 'it does not answer a question for one token' })
    expect(rig.backend.isUsable('llama3.2', true)).toBe(false)
    expect(rig.gaveUp).toHaveLength(1)
    expect(rig.told).toBeGreaterThan(0)
  })

  it('is asked with the options its model is loaded with, and its keep_alive is left alone', async () => {
    const rig = createRig()
    rig.loadOptions.unify('llama3.2', { num_ctx: 8_192 })
    rig.warm()
    rig.ollama.mood = 'wedged'
    rig.attempt()
    await rig.time.advance(35_000)
    expect(rig.ollama.seen.at(-1)!.options).toEqual({ num_ctx: 8_192, num_predict: 1 })
  })

  it('is asked as its calls were, also when the context has grown since: else it would wait until they have ended', async () => {
    const rig = createRig()
    rig.loadOptions.grow('llama3.2', 4_096)
    rig.warm()
    rig.ollama.mood = 'wedged'
    rig.attempt()
    rig.loadOptions.grow('llama3.2', 8_192)
    await rig.time.advance(35_000)
    expect(rig.ollama.seen.at(-1)!.options).toEqual({ num_ctx: 4_096, num_predict: 1 })
  })

  it('is not asked while a model is being loaded there: the question would wait behind the load', async () => {
    const rig = createRig({ loadTimeoutMs: 600_000 })
    rig.warm()
    rig.ollama.loadMs = 90_000
    rig.attempt()
    rig.backend.models.observed('qwen3', 'absent', 0)
    rig.backend.want('qwen3')
    rig.ollama.mood = 'wedged'
    await rig.time.advance(80_000)
    expect(rig.ollama.canaries).toBe(0)
    expect(rig.state()).toMatchObject({ name: 'loading' })
  })

  it('is not asked for a model that was thrown out of memory meanwhile: that silence is a load', async () => {
    const rig = createRig()
    rig.warm()
    rig.attempt()
    rig.ollama.inMemory.delete('llama3.2')
    rig.ollama.mood = 'wedged'
    await rig.time.advance(100_000)
    expect(rig.ollama.canaries).toBe(0)
    expect(rig.backend.liveness.wedged).toBeUndefined()
  })

  it('is asked again with growing pauses, and is back with its first token', async () => {
    const rig = createRig()
    rig.warm()
    rig.ollama.mood = 'wedged'
    rig.attempt()
    await rig.time.advance(300_000)
    const gaps = rig.ollama.seen.filter(({ isCanary }) => isCanary).map(({ atMs }) => Math.round(atMs / 1_000))
    // Sent, given up after 20 s, sent again after 5, 25 and then 60 s.
    expect(gaps).toEqual([30, 55, 100, 180, 260])
    expect(rig.state().name).toBe('wedged')
    rig.ollama.mood = 'well'
    await rig.time.advance(81_000)
    expect(rig.state().name).toBe('up')
    expect(rig.backend.isUsable('llama3.2', false)).toBe(true)
  })

  it('is back with a token of an attempt that had been there before', async () => {
    const rig = createRig()
    rig.hasOther = false
    rig.warm()
    rig.ollama.mood = 'wedged'
    const lease = rig.attempt()
    await rig.time.advance(52_000)
    expect(rig.state().name).toBe('wedged')
    // There was nowhere else to go to.
    expect(rig.gaveUp).toEqual([])
    const { told } = rig
    await rig.time.advance(1_000)
    lease.firstToken()
    expect(rig.state().name).toBe('busy')
    expect(rig.told).toBe(told + 1)
  })

  it('is back when what held the model is gone, as after a restart; no canary loads it', async () => {
    const rig = createRig()
    rig.warm()
    rig.ollama.mood = 'wedged'
    rig.attempt()
    await rig.time.advance(52_000)
    rig.ollama.inMemory.clear()
    await rig.time.advance(5_000)
    expect(rig.state().name).toBe('up')
    expect(rig.ollama.canaries).toBe(1)
  })

  it('is left to its calls while none of its models is known to be in memory', async () => {
    const rig = createRig()
    rig.ollama.mood = 'wedged'
    rig.ollama.inMemory.clear()
    rig.attempt()
    await rig.time.advance(120_000)
    expect(rig.ollama.canaries).toBe(0)
    expect(rig.state().name).toBe('busy')
  })
})

describe('a backend that is slow', () => {
  it('is not asked while tokens come, for whomever', async () => {
    const rig = createRig()
    rig.warm()
    rig.attempt()
    for (let piece = 0; piece < 100; piece++) {
      await rig.time.advance(5_000)
      rig.backend.liveness.tokenAtMs = rig.time.clock.monotonicMs()
    }
    expect(rig.ollama.canaries).toBe(0)
  })

  it('is as it was when it answers the canary', async () => {
    const rig = createRig()
    rig.warm()
    rig.attempt()
    await rig.time.advance(70_000)
    expect(rig.ollama.canaries).toBe(2)
    expect(rig.state().name).toBe('busy')
    expect(rig.gaveUp).toEqual([])
  })

  it.each([
    ['tools or a format are used', {}, true, 180_000],
    ['long silences are allowed', { timeoutMs: 300_000 }, false, 300_000],
  ])('is waited for longer when %s', async (_name, config, mayBeQuiet, quietMs) => {
    const rig = createRig(config)
    rig.warm()
    rig.ollama.mood = 'wedged'
    rig.attempt(mayBeQuiet)
    // The first look comes after the time that holds for any call.
    await rig.time.advance(quietMs * (5 / 6) - 1_000)
    expect(rig.state().name).toBe('busy')
    await rig.time.advance(40_000)
    expect(rig.state().name).toBe('wedged')
  })
})

describe('a backend that refuses at once though it has nothing to do (F1, F3)', () => {
  it('three times in a row: is asked for one token, and is wedged when it refuses that too', async () => {
    const rig = createRig()
    rig.warm()
    rig.ollama.mood = 'refusing'
    for (let call = 0; call < 2; call++) await rig.refuse()
    await rig.time.advance(100)
    expect(rig.ollama.canaries).toBe(0)
    await rig.refuse()
    await rig.time.advance(100)
    expect(rig.state()).toMatchObject({ name: 'wedged', reason: 'it refuses even a question for one token' })
  })

  it('is suspect for a while when there is no model in memory to ask', async () => {
    const rig = createRig()
    for (let call = 0; call < 3; call++) await rig.refuse()
    expect(rig.state().name).toBe('suspect')
    expect(rig.ollama.canaries).toBe(0)
    await rig.time.advance(30_000)
    expect(rig.state().name).toBe('up')
  })

  it('is asked for a token of a model that has answered, not of one that may only make embeddings', async () => {
    const rig = createRig()
    rig.backend.models.observed('nomic-embed-text', 'in-memory', 0)
    rig.warm()
    rig.ollama.mood = 'refusing'
    for (let call = 0; call < 3; call++) await rig.refuse()
    expect(rig.ollama.seen).toMatchObject([{ isCanary: true, model: 'llama3.2' }])
  })

  it('is suspect again when it refuses again, or its health cannot be seen, after that time', async () => {
    const rig = createRig()
    rig.ollama.inMemory.clear()
    for (let call = 0; call < 3; call++) await rig.refuse()
    await rig.time.advance(60_000)
    expect(rig.state().name).toBe('up')
    for (let call = 0; call < 3; call++) await rig.refuse()
    expect(rig.state().name).toBe('suspect')
    rig.ollama.mood = 'away'
    await rig.time.advance(120_000)
    expect(rig.state()).toMatchObject({ name: 'suspect', reason: '2 health looks in a row failed' })
  })

  it.each([
    ['slowly', 60, false],
    ['while it works for others', 1, true],
  ])('is only busy when it refuses %s', async (_name, afterMs, isBusy) => {
    const rig = createRig({ slots: 2 })
    rig.warm()
    if (isBusy) rig.attempt()
    for (let call = 0; call < 5; call++) await rig.refuse(afterMs)
    await rig.time.advance(100)
    expect(rig.ollama.canaries).toBe(0)
  })
})

describe('looks at the health', () => {
  it('begin with the first call and come every 30 s or so, without keeping anything alive', async () => {
    const rig = createRig()
    await rig.time.advance(600_000)
    expect(rig.ollama.asked).toEqual([])
    rig.warm()
    await rig.time.advance(300_000)
    const looks = rig.ollama.asked.filter((path) => path === '/api/version')
    expect(looks.length).toBeGreaterThanOrEqual(9)
    expect(looks.length).toBeLessThanOrEqual(11)
    await rig.time.runUntilIdle()
    await rig.member.close()
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('make it suspect when two in a row fail, and no more when one succeeds', async () => {
    const rig = createRig()
    rig.warm()
    await rig.time.advance(1_000)
    rig.ollama.mood = 'away'
    await rig.time.advance(33_000)
    expect(rig.state().name).toBe('up')
    await rig.time.advance(5_100)
    expect(rig.state()).toMatchObject({ name: 'suspect', reason: '2 health looks in a row failed' })
    // What it had in memory is not believed any more.
    expect(rig.backend.readiness('llama3.2')).toBe('unknown')
    rig.ollama.mood = 'well'
    await rig.time.advance(5_100)
    expect(rig.state().name).toBe('up')
  })

  it('are one at a time, also when a call begins at the moment one ends', async () => {
    const rig = createRig()
    rig.warm()
    rig.ollama.mood = 'away'
    await rig.time.advance(120_000)
    expect(rig.state()).toMatchObject({ name: 'suspect' })
    // Whoever waited for it goes there as soon as it is no longer suspect.
    const stop = rig.backend.onChange(() => {
      stop()
      rig.warm()
    })
    rig.ollama.mood = 'well'
    await rig.time.advance(120_000)
    await rig.member.close()
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('are not believed against a token in the last 30 s', async () => {
    const rig = createRig()
    rig.ollama.broken.add('/api/version')
    for (let call = 0; call < 100; call++) {
      rig.warm()
      await rig.time.advance(5_000)
      expect(rig.state().name).not.toBe('suspect')
    }
  })

  it('learn what is in memory, and what is no longer', async () => {
    const rig = createRig()
    rig.warm()
    rig.ollama.inMemory.clear()
    rig.ollama.inMemory.add('qwen3:8b')
    await rig.time.advance(34_000)
    expect(rig.backend.readiness('llama3.2')).toBe('absent')
    expect(rig.backend.readiness('qwen3:8b')).toBe('ready')
  })
})

describe('in one word', () => {
  it('loading, down', async () => {
    const rig = createRig()
    rig.ollama.inMemory.clear()
    rig.backend.want('llama3.2')
    await rig.time.advance(100)
    rig.backend.want('llama3.2')
    expect(rig.state()).toEqual({ name: 'loading', reason: 'loads llama3.2', sinceAtMs: 1_800_000_000_100 })
    await rig.time.advance(2_000)
    expect(rig.state().name).toBe('up')
    const verdict = classify(
      { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false },
      { backend: URL, model: 'llama3.2' },
    )
    for (let call = 0; call < 5; call++) rig.backend.lease('llama3.2').end({ kind: 'failed', verdict })
    expect(rig.state()).toEqual({ name: 'down', reason: 'CANNOT_CONNECT', sinceAtMs: 1_800_000_002_100 })
  })

  it('what was found out of a backend is forgotten when it was away and is back', async () => {
    const rig = createRig()
    for (let call = 0; call < 3; call++) await rig.refuse()
    expect(rig.state().name).toBe('suspect')
    rig.backend.returned()
    expect(rig.state().name).toBe('up')
  })
})
