import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { ScriptedOllama } from '../../test/scripted-ollama.ts'
import { readConfig } from '../config/read-config.ts'
import { LoadOptions } from '../load-options.ts'
import { classify } from '../outcome/classify.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import type { TelemetryEvent } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Loader } from './loader.ts'

function createRig() {
  const time = createVirtualTime()
  const telemetry = createTelemetry()
  const events: TelemetryEvent[] = []
  telemetry.on((event) => events.push(event))
  const backend = new Backend('http://a:1', readConfig({ backends: 'http://a:1' }), time, telemetry)
  const ollama = new ScriptedOllama(time)
  const loadOptions = new LoadOptions(time.clock)
  const { connection } = ollama
  const loader = new Loader({ backend, connection, runtime: time, telemetry, loadTimeoutMs: 600_000, loadOptions })
  backend.loader = loader
  const rig = {
    time,
    backend,
    ollama,
    loader,
    loadOptions,
    events,
    told: 0,
    /** As dispatch does: whenever something changed it says again what it wants. */
    async want(model = 'llama3.2', steps = 1) {
      for (let step = 0; step < steps; step++) {
        backend.want(model)
        await time.advance(100)
      }
    },
  }
  backend.onChange(() => rig.told++)
  return rig
}

describe('a model that is wanted', () => {
  it('is looked for first, once, however many want it; calls are told when it is known', async () => {
    const rig = createRig()
    rig.ollama.inMemory.add('llama3.2:latest')
    expect(rig.backend.readiness('llama3.2')).toBe('unknown')
    for (let caller = 0; caller < 20; caller++) rig.backend.want('llama3.2')
    await rig.time.advance(100)
    expect(rig.ollama.asked).toEqual(['/api/ps', '/api/ps'])
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.told).toBe(1)
    expect(rig.ollama.loads).toBe(0)
  })

  it('is loaded when it is absent: by one empty request, for all', async () => {
    const rig = createRig()
    await rig.want('llama3.2', 1)
    expect(rig.backend.readiness('llama3.2')).toBe('absent')
    for (let caller = 0; caller < 20; caller++) rig.backend.want('llama3.2')
    expect(rig.backend.readiness('llama3.2')).toBe('loading')
    expect(rig.backend.loading('llama3.2')).toEqual({ sinceMs: 100, expectedMs: undefined, isOverdue: false })
    await rig.time.advance(1_000)
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.ollama.seen).toMatchObject([{ model: 'llama3.2', isLoad: true, wasCut: false }])
    expect(rig.events).toMatchObject([{ type: 'load-end', model: 'llama3.2', durationMs: 1_000, problem: undefined }])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('is loaded with the options that calls will name', async () => {
    const rig = createRig()
    rig.loadOptions.unify('llama3.2', { num_ctx: 8_192, temperature: 0 })
    await rig.want('llama3.2', 2)
    expect(rig.ollama.seen[0]!.options).toEqual({ num_ctx: 8_192 })
  })

  it('in the cloud is in no memory: it is neither looked for nor loaded, nor asked for a canary (F14)', async () => {
    const rig = createRig()
    await rig.want('qwen3-coder:480b-cloud', 3)
    rig.backend.models.produced('gpt-oss:cloud', 0)
    rig.backend.models.observed('gpt-oss:cloud', 'absent', 10)
    expect(rig.backend.readiness('qwen3-coder:480b-cloud')).toBe('ready')
    expect(rig.backend.readiness('gpt-oss:cloud')).toBe('ready')
    expect(rig.backend.models.inMemory(10)).toBeUndefined()
    expect([rig.ollama.asked, rig.ollama.seen]).toEqual([[], []])
  })

  it('waits for another one that is being loaded there', async () => {
    const rig = createRig()
    await rig.want('llama3.2', 2)
    await rig.want('qwen3:8b', 2)
    expect(rig.ollama.loads).toBe(1)
    expect(rig.backend.readiness('qwen3:8b')).toBe('absent')
    await rig.time.advance(1_000)
    await rig.want('qwen3:8b')
    expect(rig.ollama.loads).toBe(2)
  })

  it('how long its load takes is learnt, the latest counting most', async () => {
    const rig = createRig()
    for (const loadMs of [1_000, 2_000]) {
      rig.ollama.loadMs = loadMs
      rig.ollama.inMemory.clear()
      rig.backend.models.forget()
      await rig.want('llama3.2', 2)
      await rig.time.advance(loadMs)
    }
    expect(rig.backend.expectedLoadMs('llama3.2')).toBe(1_300)
    expect(rig.backend.expectedLoadMs('qwen3:8b')).toBeUndefined()
  })

  it('is overdue after a minute, or twice the usual time: then it is worth trying elsewhere as well', async () => {
    const rig = createRig()
    rig.ollama.loadMs = 90_000
    await rig.want('llama3.2', 2)
    await rig.time.advance(59_000)
    expect(rig.backend.loading('llama3.2')?.isOverdue).toBe(false)
    const { told } = rig
    await rig.time.advance(1_000)
    expect(rig.backend.loading('llama3.2')?.isOverdue).toBe(true)
    expect(rig.told).toBe(told + 1)
    await rig.time.advance(30_000)
    rig.ollama.inMemory.clear()
    rig.backend.models.forget()
    await rig.want('llama3.2', 2)
    await rig.time.advance(80_000)
    expect(rig.backend.loading('llama3.2')).toMatchObject({ expectedMs: 90_000, isOverdue: false })
  })

  it('is just tried when a look fails, and not looked for again at once', async () => {
    const rig = createRig()
    rig.ollama.broken.add('/api/ps')
    await rig.want('llama3.2', 5)
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.ollama.asked).toHaveLength(1)
    await rig.time.advance(30_000)
    expect(rig.backend.readiness('llama3.2')).toBe('unknown')
  })

  it('is just tried when a look hangs', async () => {
    const rig = createRig()
    rig.ollama.connection.calls.json = () => new Promise(() => {})
    rig.backend.want('llama3.2')
    await rig.time.advance(250)
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.told).toBe(1)
  })
})

describe('a load that fails', () => {
  const failing = async (status: number, error: string) => {
    const rig = createRig()
    rig.ollama.loadError = { status, error }
    await rig.want('llama3.2', 2)
    await rig.time.advance(1_000)
    return rig
  }

  it('keeps the model away as the failure of a call would; then calls find out for themselves', async () => {
    const rig = await failing(500, 'llama runner process has terminated: exit status 2')
    expect(rig.backend.isUsable('llama3.2', false)).toBe(false)
    expect(rig.backend.usableAtMs('llama3.2', false)).toBe(1_100 + 600_000)
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.backend.breaker.failures).toBe(0)
    expect(rig.events.at(-1)).toMatchObject({ type: 'load-end', problem: expect.stringContaining('exit status 2') })
  })

  it('of a missing model is one of this model only', async () => {
    const rig = await failing(404, "model 'llama3.2' not found")
    expect(rig.backend.isUsable('llama3.2', false)).toBe(false)
    expect(rig.backend.isUsable('qwen3:8b', false)).toBe(true)
  })

  it('counts for the breaker when it is the fault of the backend', async () => {
    const rig = await failing(500, 'something broke')
    expect(rig.backend.breaker.failures).toBe(1)
    expect(rig.backend.isUsable('llama3.2', false)).toBe(true)
    await rig.want('llama3.2', 5)
    expect(rig.ollama.loads).toBe(1)
  })

  it('that began before the breaker opened does not move it', async () => {
    const rig = createRig()
    rig.ollama.loadError = { status: 500, error: 'something broke' }
    rig.ollama.loadMs = 70_000
    await rig.want('llama3.2', 2)
    const cause = { code: 'ECONNREFUSED' }
    const verdict = classify(
      { kind: 'network', cause, gotBytes: false, gotToken: false },
      { backend: 'http://a:1', model: 'qwen3:8b' },
    )
    for (let count = 0; count < 5; count++) rig.backend.lease('qwen3:8b').end({ kind: 'failed', verdict })
    const opened = rig.backend.breakerStatus(false)
    await rig.time.advance(70_000)
    expect(rig.backend.breakerStatus(false)).toEqual(opened)
  })

  it('of memory takes back the context that caused it, and forgets all models of the backend (F9)', async () => {
    const rig = createRig()
    rig.backend.models.produced('qwen3:8b', 0)
    rig.loadOptions.unify('llama3.2', { num_ctx: 1_000_000 })
    rig.ollama.loadError = { status: 500, error: 'cudaMalloc failed: out of memory' }
    await rig.want('llama3.2', 2)
    await rig.time.advance(1_000)
    expect(rig.loadOptions.of('llama3.2')).toEqual({})
    expect(rig.backend.readiness('qwen3:8b')).toBe('unknown')
  })

  it('is given up after its time', async () => {
    const rig = createRig()
    rig.ollama.mood = 'wedged'
    await rig.want('llama3.2', 2)
    await rig.time.advance(600_000)
    expect(rig.ollama.seen[0]).toMatchObject({ isLoad: true, wasCut: true })
    expect(rig.backend.readiness('llama3.2')).toBe('ready')
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('is cut when all is closed, and nothing is begun after that', async () => {
    const rig = createRig()
    await rig.want('llama3.2', 2)
    rig.loader.close()
    await rig.want('llama3.2', 3)
    expect(rig.ollama.seen).toMatchObject([{ wasCut: true }])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('a look that hangs leaves no timer when all is closed', () => {
    const rig = createRig()
    rig.ollama.connection.calls.json = () => new Promise(() => {})
    rig.backend.want('llama3.2')
    rig.loader.close()
    expect(rig.time.pendingTimers).toBe(0)
  })
})

describe('what was in memory', () => {
  it.each([
    ['refused', { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }],
    ['cut in the middle', { kind: 'network', cause: { code: 'UND_ERR_SOCKET' }, gotBytes: true, gotToken: true }],
    ['out of memory', { kind: 'status', status: 500, body: '{"error":"out of memory"}', elapsedMs: 1_000 }],
  ] as const)('is forgotten for all models when a call was %s', (_name, failure) => {
    const { backend } = createRig()
    for (const model of ['llama3.2', 'qwen3:8b']) backend.models.produced(model, 0)
    const verdict = classify(failure, { backend: backend.name, model: 'llama3.2' })
    backend.lease('llama3.2').end({ kind: 'failed', verdict })
    expect(['llama3.2', 'qwen3:8b'].map((model) => backend.readiness(model))).toEqual(['unknown', 'unknown'])
  })

  it('a look that was in vain is not repeated for each call that is refused, but a second later', async () => {
    const { backend, ollama, time } = createRig()
    ollama.mood = 'away'
    const failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false } as const
    const verdict = classify(failure, { backend: backend.name, model: 'llama3.2' })
    for (let call = 0; call < 3; call++) {
      backend.want('llama3.2')
      await time.advance(10)
      backend.lease('llama3.2').end({ kind: 'failed', verdict })
      expect(backend.readiness('llama3.2')).toBe('ready')
    }
    expect(ollama.asked).toHaveLength(1)
    await time.advance(1_000)
    expect(backend.readiness('llama3.2')).toBe('unknown')
  })

  it('is forgotten for one model when its runner died', () => {
    const { backend } = createRig()
    for (const model of ['llama3.2', 'qwen3:8b']) backend.models.produced(model, 0)
    const failure = { kind: 'error-line', text: 'unexpected EOF', gotToken: true, elapsedMs: 1 } as const
    const verdict = classify(failure, { backend: backend.name, model: 'llama3.2' })
    backend.lease('llama3.2').end({ kind: 'failed', verdict })
    expect(['llama3.2', 'qwen3:8b'].map((model) => backend.readiness(model))).toEqual(['unknown', 'ready'])
  })

  it('is forgotten when the backend was away and is back', () => {
    const { backend } = createRig()
    backend.models.produced('llama3.2', 0)
    backend.returned()
    expect(backend.readiness('llama3.2')).toBe('unknown')
  })

  it('is not overwritten by a look that began before it was learnt', () => {
    const { backend } = createRig()
    backend.models.produced('llama3.2', 10)
    backend.models.observed('llama3.2', 'absent', 20, 5)
    expect(backend.models.residency('llama3.2', 20)).toBe('in-memory')
    backend.models.observed('llama3.2', 'absent', 40, 30)
    expect(backend.models.residency('llama3.2', 40)).toBe('absent')
  })
})
