import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { lookIntoMemory } from './memory-look.ts'

const listed = (expires_at?: string) => ({
  models: [{ name: 'llama3.2:latest', ...(expires_at !== undefined && { expires_at }) }],
})
const NONE = { models: [{ name: 'qwen3:8b', expires_at: '2026-11-23T04:00:00Z' }] }

/** A token that comes while `/api/ps` is read. */
const TOKEN = Symbol('token')

/** What is known of the model after these two readings of `/api/ps`; an error stands for one that fails. */
async function look(...readings: readonly unknown[]): Promise<{ residency: string; asked: number }> {
  const time = createVirtualTime()
  const backend = new Backend('http://a:1', readConfig(), time, createTelemetry())
  backend.digests = new Map([['llama3.2', 'sha256:abc']])
  let asked = 0
  const calls = {
    async json(path: string) {
      expect(path).toBe('/api/ps')
      const reading = readings[asked++]
      if (reading instanceof Error) throw reading
      if (reading === TOKEN) {
        backend.models.produced('llama3.2', time.clock.monotonicMs())
        return NONE
      }
      return reading
    },
    probe: async () => 'answers' as const,
  }
  const done = lookIntoMemory(backend, 'llama3.2', calls, time)
  await time.advance(100)
  await done
  return { residency: backend.models.residency('llama3.2', time.clock.monotonicMs()), asked }
}

describe('a look into the memory of a silent backend', () => {
  it('a model that is not listed has to be loaded', async () => {
    expect(await look(NONE, NONE)).toEqual({ residency: 'absent', asked: 2 })
  })

  it('one whose expiry moves with the clock is being loaded', async () => {
    expect(await look(listed('2026-11-23T04:00:00.10Z'), listed('2026-11-23T04:00:00.13Z'))).toMatchObject({
      residency: 'loading',
    })
  })

  it('one whose expiry stands still is in memory', async () => {
    const at = '2026-11-23T04:00:00.10Z'
    expect(await look(listed(at), listed(at))).toMatchObject({ residency: 'in-memory' })
    expect(await look(listed(), listed())).toMatchObject({ residency: 'in-memory' })
  })

  it('one that is listed under another tag of its digest is in memory', async () => {
    const other = { models: [{ name: 'mentor:v2', digest: 'sha256:abc', expires_at: '2026-11-23T04:00:00Z' }] }
    expect(await look(other, other)).toMatchObject({ residency: 'in-memory' })
    const foreign = { models: [{ name: 'mentor:v2', digest: 'sha256:def', expires_at: '2026-11-23T04:00:00Z' }] }
    expect(await look(foreign, foreign)).toMatchObject({ residency: 'absent' })
  })

  it('one that appears in between is being loaded; one that goes is not there', async () => {
    const at = '2026-11-23T04:00:00.10Z'
    expect(await look(NONE, listed(at))).toMatchObject({ residency: 'loading' })
    expect(await look(listed(at), NONE)).toMatchObject({ residency: 'absent' })
  })

  it('an answer that cannot be read says nothing, and is not waited for twice', async () => {
    expect(await look(new Error('status 500'))).toEqual({ residency: 'unknown', asked: 1 })
    expect(await look({ models: 5 })).toEqual({ residency: 'unknown', asked: 1 })
    expect(await look(NONE, new Error('status 500'))).toMatchObject({ residency: 'unknown' })
  })

  it('a token that came meanwhile is newer than what was read', async () => {
    expect(await look(NONE, TOKEN)).toEqual({ residency: 'in-memory', asked: 2 })
  })
})
