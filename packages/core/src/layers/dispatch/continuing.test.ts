import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { Backend } from '../../backends/backend.ts'
import type { ContinuationMode } from '../../backends/continuation-mode.ts'
import type { Lease } from '../../backends/lease.ts'
import { readConfig } from '../../config/read-config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { classify } from '../../outcome/classify.ts'
import type { Call, ContinueFrom } from '../../service.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { CannotContinue, leaseToContinue } from './continuing.ts'
import type { Continuing } from './continuing.ts'

const REQUEST = { messages: [{ role: 'user', content: 'What is water?' }] }
const CALL: Call = { kind: 'chat', model: 'llama3.2', request: REQUEST, body: Buffer.from('{}'), buffered: false }
const FROM: ContinueFrom = { text: 'Wa', tokens: 1, digest: 'd', brokenOn: 'http://a:1', silentAtMs: new Map() }

/** Backends `a` and `b`, and what a lease on each comes to. */
function createRig(found: Readonly<Record<string, ContinuationMode | Error>>) {
  const time = createVirtualTime()
  const backends = Object.keys(found).map((name) => new Backend(name, readConfig(), time, createTelemetry()))
  const prepared: string[] = []
  const began: string[] = []
  const continuing: Continuing = {
    canContinue: (backend) => (backend.name in found ? 'unproven' : 'no'),
    candidates: () => backends.map(({ name }) => name),
    prepare: async ({ backend }) => {
      prepared.push(backend.name)
      const mode = found[backend.name]!
      if (mode instanceof Error) throw mode
      return mode
    },
  }
  const waitForLease = async (eligible: (backend: Backend) => boolean): Promise<Lease> =>
    backends.find(eligible)!.lease('llama3.2')
  const { signal } = new AbortController()
  return {
    prepared,
    began,
    held: () => backends.map(({ slots }) => slots.held),
    attempts: () => backends.map(({ attempts }) => attempts),
    leased: leaseToContinue(continuing, CALL, FROM, signal, waitForLease, ({ backend }) => began.push(backend.name)),
  }
}

describe('a lease to go on with a half answer', () => {
  it('is one on a backend that does, and says how', async () => {
    const rig = createRig({ 'http://a:1': 'none', 'http://b:1': 'raw' })
    const { lease, continueFrom } = await rig.leased
    expect(lease.backend.name).toBe('http://b:1')
    expect(continueFrom).toEqual({ ...FROM, mode: 'raw' })
    expect(rig.held()).toEqual([0, 1])
  })

  it('is none, when nobody does: nothing is held, and nothing is held against them', async () => {
    const rig = createRig({ 'http://a:1': 'none', 'http://b:1': 'none' })
    await expect(rig.leased).rejects.toBeInstanceOf(CannotContinue)
    expect(rig.prepared).toEqual(['http://a:1', 'http://b:1'])
    expect(rig.held()).toEqual([0, 0])
    expect(rig.attempts()).toEqual([
      { succeeded: 0, failed: 0, neutral: 1 },
      { succeeded: 0, failed: 0, neutral: 1 },
    ])
    expect(rig.began).toEqual([])
  })

  it('fails as an attempt does, when its backend is away', async () => {
    const refused = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false } as const
    const verdict = classify(refused, { backend: 'http://a:1', model: 'llama3.2' })
    const failure = new AttemptFailure(verdict, 'http://a:1')
    const rig = createRig({ 'http://a:1': failure })
    await expect(rig.leased).rejects.toBe(failure)
    expect(rig.began).toEqual(['http://a:1'])
    expect(rig.attempts()).toEqual([{ succeeded: 0, failed: 1, neutral: 0 }])
    expect(rig.held()).toEqual([0])
  })

  it('is given back when its caller leaves meanwhile', async () => {
    const left = new Error('left')
    const rig = createRig({ 'http://a:1': left })
    await expect(rig.leased).rejects.toBe(left)
    expect(rig.held()).toEqual([0])
    expect(rig.attempts()).toEqual([{ succeeded: 0, failed: 0, neutral: 1 }])
  })
})
