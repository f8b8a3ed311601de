import type { BackendHealth, BreakerState } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { healthReport, modelInfos } from './health-report.ts'

const part = (url: string, more: Partial<BackendHealth> = {}, state: BreakerState = 'closed', ageMs = 0) => ({
  url,
  reachable: true,
  modelInstalled: true,
  checkedAtMs: 1,
  breaker: { state, failures: 0, sinceAtMs: 0 },
  ageMs,
  ...more,
})

describe('the health of all backends', () => {
  const status = (...parts: ReturnType<typeof part>[]): string => healthReport('llama3.2', parts, 0).status

  it('is up when every one can answer', () => {
    expect(status(part('a'), part('b'))).toBe('up')
    expect(status(part('a', {}, 'half-open'))).toBe('up')
  })

  it('is up when it is only not known whether the model is installed', () => {
    const { modelInstalled: _, ...unknown } = part('a')
    expect(status(unknown as ReturnType<typeof part>)).toBe('up')
  })

  it.each([
    ['not reachable', part('b', { reachable: false })],
    ['without the model', part('b', { modelInstalled: false })],
    ['with an open breaker', part('b', {}, 'open')],
  ])('is degraded when one cannot, down when none can: %s', (_name, unable) => {
    expect(status(part('a'), unable)).toBe('degraded')
    expect(status(unable)).toBe('down')
    expect(status(unable, unable)).toBe('down')
  })

  it('is degraded by one that answers and produces no token, which is told with what to do', () => {
    const wedged = { ...part('http://b:1'), isWedged: true }
    const { status: both, backends } = healthReport('llama3.2', [part('http://a:1'), wedged], 0)
    expect([both, healthReport('llama3.2', [wedged], 0).status]).toEqual(['degraded', 'down'])
    expect(backends.map(({ problem }) => problem)).toEqual([
      undefined,
      'Ollama at http://b:1 answers, but produces no token. Restart it there.',
    ])
    expect(backends[1]).not.toHaveProperty('isWedged')
  })

  it('is down while no backend is known', () => {
    expect(healthReport('llama3.2', [], 2)).toEqual({
      status: 'down',
      model: 'llama3.2',
      backends: [],
      ageMs: 0,
      waiting: 2,
    })
  })

  it('has the age of its oldest part, and how many calls wait', () => {
    const report = healthReport('llama3.2', [part('a', {}, 'closed', 10.4), part('b', {}, 'closed', 20.6)], 3)
    expect(report).toMatchObject({ ageMs: 21, waiting: 3, model: 'llama3.2' })
    expect(report.backends[0]).not.toHaveProperty('ageMs')
  })
})

describe('the models of all backends', () => {
  const tag = (name: string, digest = 'd1', details: Record<string, unknown> = {}) => ({
    name,
    digest,
    size: 5,
    modified_at: 'now',
    details,
  })

  it('are listed once each, with who has them and whether their weights differ', () => {
    const infos = modelInfos([
      { backend: 'http://a:1', tags: [tag('qwen3:8b'), tag('llama3.2:latest')] },
      { backend: 'http://b:1', tags: [tag('llama3.2', 'd2')] },
    ])
    expect(infos.map(({ name, backends, digests }) => [name, backends, digests])).toEqual([
      ['llama3.2', ['http://a:1', 'http://b:1'], ['d1', 'd2']],
      ['qwen3:8b', ['http://a:1'], ['d1']],
    ])
  })

  it('do not tell paths of a disk', () => {
    const details = { family: 'llama', parent_model: '/models/ollama/store/models/blobs/sha256-abc' }
    const [info] = modelInfos([{ backend: 'http://a:1', tags: [tag('x', 'd', details)] }])
    expect(info!.details).toEqual({ family: 'llama', parent_model: '' })
    const [named] = modelInfos([{ backend: 'http://a:1', tags: [tag('x', 'd', { parent_model: 'llama3.2' })] }])
    expect(named!.details).toEqual({ parent_model: 'llama3.2' })
  })
})
