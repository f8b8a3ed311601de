import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { classify } from '../outcome/classify.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { HealthCache } from './health.ts'

const tag = (name: string) => ({ name, digest: 'sha256:abc', size: 1, modified_at: '2026-11-23T03:04:38Z' })

/** A backend that answers from this object; a path that is not in it fails. */
function createRig({ model = 'llama3.2', ttlMs = 30_000 } = {}) {
  const time = createVirtualTime({ startAtMs: 1_800_000_000_000 })
  const config = readConfig({ backends: 'http://a:1' })
  const backend = new Backend('http://a:1', config, time, createTelemetry())
  const asked: string[] = []
  const rig = {
    time,
    backend,
    asked,
    /** How long each answer takes. */
    delayMs: 4,
    answers: {
      '/api/version': { version: '0.32.15' },
      '/api/tags': { models: [tag('llama3.2:latest'), tag('qwen3:8b')] },
      '/api/ps': {
        models: [{ name: 'llama3.2:latest', size: 2_000, size_vram: 1_500, expires_at: '2026-11-23T04:00:00Z' }],
      },
    } as Record<string, unknown>,
    cache: undefined as unknown as HealthCache,
    /** The health, with time passing until it is there. */
    async health(force = false) {
      const health = rig.cache.health(force)
      await time.advance(20)
      return await health
    },
  }
  const calls = {
    async json(path: string) {
      asked.push(path)
      await new Promise<void>((resolve) => void time.timers.set(rig.delayMs, resolve))
      if (!(path in rig.answers)) throw new Error('status 500')
      return rig.answers[path]
    },
    probe: async () => 'answers' as const,
  }
  rig.cache = new HealthCache(backend, calls, { model, ttlMs }, time)
  return rig
}

describe('two tags of one digest', () => {
  it('are both in memory when one of them is listed', async () => {
    const rig = createRig({ model: 'mentor' })
    rig.answers['/api/tags'] = { models: [tag('llama3.2:latest'), tag('mentor:latest')] }
    rig.answers['/api/ps'] = { models: [{ name: 'llama3.2:latest', digest: 'sha256:abc' }] }
    expect((await rig.health()).health).toMatchObject({ modelInMemory: true })
    expect(rig.backend.models.residency('mentor', rig.time.clock.monotonicMs())).toBe('in-memory')
  })
})

describe('what the health of a backend says apart', () => {
  it('all is well', async () => {
    const rig = createRig()
    expect((await rig.health()).health).toEqual({
      url: 'http://a:1',
      reachable: true,
      version: '0.32.15',
      latencyMs: 4,
      installed: ['llama3.2:latest', 'qwen3:8b'],
      modelInstalled: true,
      inMemory: ['llama3.2:latest'],
      modelInMemory: true,
      loaded: [{ name: 'llama3.2:latest', sizeBytes: 2_000, vramBytes: 1_500, expiresAt: '2026-11-23T04:00:00Z' }],
      checkedAtMs: 1_800_000_000_004,
    })
  })

  it("not reachable, in the guide's words; nothing else is claimed", async () => {
    const rig = createRig()
    rig.answers = {}
    expect((await rig.health()).health).toEqual({
      url: 'http://a:1',
      reachable: false,
      problem: 'Cannot connect to Ollama at http://a:1. Start it with `ollama serve`, or correct OLLAMA_BASE_URL.',
      checkedAtMs: 1_800_000_000_004,
    })
    expect(rig.asked).toEqual(['/api/version'])
  })

  it("reachable, but the model is not installed, in the guide's words", async () => {
    const rig = createRig({ model: 'mistral' })
    expect((await rig.health()).health).toMatchObject({
      reachable: true,
      modelInstalled: false,
      modelInMemory: false,
      problem: 'Model mistral not found. Run: ollama pull mistral',
    })
  })

  it('installed, but not in memory: that is no problem', async () => {
    const rig = createRig()
    rig.answers['/api/ps'] = { models: [] }
    const { health } = await rig.health()
    expect(health).toMatchObject({ modelInstalled: true, modelInMemory: false })
    expect(health.problem).toBeUndefined()
  })

  it('a list that cannot be read says nothing of the model', async () => {
    const rig = createRig()
    delete rig.answers['/api/tags']
    const { health } = await rig.health()
    expect(health).toMatchObject({
      reachable: true,
      problem: expect.stringContaining('Ollama at http://a:1 does not list its models. Check'),
    })
    expect(health).not.toHaveProperty('modelInstalled')
    expect(health).toMatchObject({ modelInMemory: true })
  })

  it('nor does one of another form', async () => {
    const rig = createRig()
    rig.answers['/api/ps'] = { models: 'none' }
    const { health } = await rig.health()
    expect(health).not.toHaveProperty('modelInMemory')
    expect(health.problem).toContain('Ollama at http://a:1 does not say which models are in memory. Check')
  })

  it.each(['llama3.2', 'llama3.2:latest'])('a name without a tag means latest: %s', async (model) => {
    expect((await createRig({ model }).health()).health).toMatchObject({ modelInstalled: true, modelInMemory: true })
  })
})

describe('how often it is asked for', () => {
  it('once in 30 s, however often somebody wants to know; the age is told', async () => {
    const rig = createRig()
    await rig.health()
    await rig.time.advance(29_000)
    expect((await rig.cache.health(false)).ageMs).toBe(29_012)
    expect(rig.asked).toHaveLength(3)
  })

  it('once for all who want to know at the same time', async () => {
    const rig = createRig()
    const all = Array.from({ length: 50 }, () => rig.cache.health(true))
    await rig.time.advance(20)
    const [first, ...rest] = await Promise.all(all)
    expect(rig.asked).toHaveLength(3)
    for (const other of rest) expect(other.health).toBe(first!.health)
  })

  it('an old answer is given once more, at once, while it is found out anew', async () => {
    const rig = createRig()
    await rig.health()
    await rig.time.advance(30_000)
    rig.answers['/api/version'] = { version: '0.33.0' }
    // No time passes: this must not wait for the backend.
    expect((await rig.cache.health(false)).health).toMatchObject({ version: '0.32.15' })
    await rig.time.advance(20)
    expect((await rig.cache.health(false)).health).toMatchObject({ version: '0.33.0' })
    expect(rig.asked).toHaveLength(6)
  })

  it('a very old one is not: then it is waited for', async () => {
    const rig = createRig()
    await rig.health()
    await rig.time.advance(60_001)
    rig.answers['/api/version'] = { version: '0.33.0' }
    expect((await rig.health()).health).toMatchObject({ version: '0.33.0' })
  })

  it('at once when a token has come from a backend that was out of reach', async () => {
    const rig = createRig()
    const { answers } = rig
    rig.answers = {}
    await rig.health()
    rig.answers = answers
    expect((await rig.cache.health(false)).health.reachable).toBe(false)
    await rig.time.advance(1)
    const lease = rig.backend.lease('llama3.2')
    lease.firstToken()
    expect(rig.cache.last).toBeUndefined()
    expect((await rig.health()).health.reachable).toBe(true)
    expect(rig.cache.last).toMatchObject({ reachable: true })
    expect(rig.asked).toHaveLength(4)
    lease.end({ kind: 'whole' })
  })

  it('at once when it is forced', async () => {
    const rig = createRig()
    await rig.health()
    expect((await rig.health(true)).ageMs).toBeLessThan(20)
    expect(rig.asked).toHaveLength(6)
  })

  it('what was last known is shown without asking', async () => {
    const rig = createRig()
    expect(rig.cache.last).toBeUndefined()
    await rig.health()
    expect(rig.cache.last).toMatchObject({ version: '0.32.15' })
    expect(rig.asked).toHaveLength(3)
  })
})

describe('what is learnt on the way', () => {
  it.each(['llama3.2', 'llama3.2:latest'])('whether the default model is in memory: %s', async (model) => {
    const rig = createRig({ model })
    await rig.health()
    expect(rig.backend.models.residency('llama3.2', rig.time.clock.monotonicMs())).toBe('in-memory')
    rig.answers['/api/ps'] = { models: [] }
    await rig.health(true)
    expect(rig.backend.models.residency('llama3.2', rig.time.clock.monotonicMs())).toBe('absent')
  })

  it('not while a call is under way: a listed model may just be loading for it', async () => {
    const rig = createRig()
    rig.backend.lease('llama3.2')
    await rig.health()
    expect(rig.backend.models.residency('llama3.2', rig.time.clock.monotonicMs())).toBe('unknown')
  })

  it('not what a token has disproved since the reading began', async () => {
    const rig = createRig()
    rig.answers['/api/ps'] = { models: [] }
    const health = rig.cache.health(true)
    await rig.time.advance(6)
    const lease = rig.backend.lease('llama3.2')
    lease.firstToken()
    lease.end({ kind: 'whole' })
    await rig.time.advance(20)
    await health
    expect(rig.backend.models.residency('llama3.2', rig.time.clock.monotonicMs())).toBe('in-memory')
  })

  it.each(['llama3.2', 'llama3.2:latest'])('that a model that was missing is there now: %s', async (model) => {
    const rig = createRig({ model })
    const missing = classify(
      { kind: 'status', status: 404, body: '{"error":"model \'llama3.2\' not found"}', elapsedMs: 1 },
      { backend: 'http://a:1', model: 'llama3.2' },
    )
    rig.backend.lease('llama3.2').end({ kind: 'failed', verdict: missing })
    expect(rig.backend.isUsable('llama3.2', false)).toBe(false)
    await rig.health()
    expect(rig.backend.isUsable('llama3.2', false)).toBe(true)
  })

  it('which models it lacks, without asking; nothing while there is no list', async () => {
    const rig = createRig()
    expect(rig.cache.lacks('mistral')).toBe(false)
    await rig.health()
    expect(rig.cache.lacks('mistral')).toBe(true)
    expect(rig.cache.lacks('llama3.2')).toBe(false)
    expect(rig.cache.lacks('qwen3:8b')).toBe(false)
    expect(rig.asked).toHaveLength(3)
  })

  it('reads the list again before it is held against a caller, but not twice in a second', async () => {
    const rig = createRig()
    await rig.health()
    await rig.cache.recheck()
    expect(rig.asked).toHaveLength(3)
    await rig.time.advance(1_001)
    rig.answers['/api/tags'] = { models: [tag('mistral:latest')] }
    const recheck = rig.cache.recheck()
    await rig.time.advance(20)
    await recheck
    expect(rig.cache.lacks('mistral')).toBe(false)
  })
})
