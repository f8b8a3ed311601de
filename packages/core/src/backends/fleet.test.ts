import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { classify } from '../outcome/classify.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Fleet } from './fleet.ts'

const MODEL = 'llama3.2'

function createRig(names: string) {
  const time = createVirtualTime()
  const config = readConfig({ backends: names.split('').map((name) => `http://${name}:1`) })
  const backends = config.backends.map((url) => new Backend(url, config, time, createTelemetry()))
  const of = (name: string): Backend => backends.find((backend) => backend.name === `http://${name}:1`) as Backend
  const fleet = new Fleet(backends)
  return {
    time,
    fleet,
    of,
    usable: () =>
      fleet
        .usable(MODEL)
        .map(({ name }) => name.charAt(7))
        .join(''),
    suspect(name: string) {
      for (let look = 0; look < 2; look++) of(name).liveness.probed(false, 30_000)
    },
    wedge: (name: string) => of(name).liveness.foundWedged('no token', 0),
    cpu(name: string) {
      of(name).gpu.observed([{ name: MODEL, size: 10, size_vram: 10 }], 0)
      of(name).gpu.observed([{ name: MODEL, size: 10, size_vram: 0 }], 1)
    },
    down(name: string) {
      const failure = { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false } as const
      const verdict = classify(failure, { backend: of(name).name, model: MODEL })
      for (let call = 0; call < 5; call++) of(name).lease(MODEL).end({ kind: 'failed', verdict })
    },
  }
}

describe('which backends may be asked', () => {
  it('not one that is wedged, or drained, also when it is the last one', () => {
    const rig = createRig('abc')
    rig.wedge('a')
    rig.of('b').draining = true
    expect(rig.usable()).toBe('c')
    rig.down('c')
    expect(rig.usable()).toBe('')
    rig.of('b').draining = false
    expect(rig.usable()).toBe('b')
  })

  it('not a suspect one while there is another', () => {
    const rig = createRig('abc')
    rig.suspect('a')
    expect(rig.usable()).toBe('bc')
    expect(rig.fleet.hasOther(MODEL, new Set(['http://b:1']))).toBe(true)
    expect(rig.fleet.hasOther(MODEL, new Set(['http://b:1', 'http://c:1']))).toBe(false)
    rig.down('b')
    rig.down('c')
    expect(rig.usable()).toBe('a')
  })

  it('all of them when more than half are suspect: then the looks are wrong rather than the backends', () => {
    const rig = createRig('abc')
    rig.suspect('a')
    rig.suspect('b')
    expect(rig.usable()).toBe('abc')
  })

  it('two: half is not more than half', () => {
    const rig = createRig('ab')
    rig.suspect('a')
    expect(rig.usable()).toBe('b')
    rig.suspect('b')
    expect(rig.usable()).toBe('ab')
  })

  it('panic opens no breaker and wakes no wedged one', () => {
    const rig = createRig('abcd')
    for (const name of ['a', 'b', 'c']) rig.suspect(name)
    rig.down('a')
    rig.wedge('b')
    expect(rig.usable()).toBe('cd')
  })

  it('not one that fell back to the CPU while there is another; it is drained, not broken', () => {
    const rig = createRig('abc')
    rig.cpu('a')
    expect(rig.usable()).toBe('bc')
    rig.down('b')
    rig.wedge('c')
    expect(rig.usable()).toBe('a')
    expect(rig.of('a').breaker.state).toBe('closed')
  })

  it('a slow one rather than a suspect one', () => {
    const rig = createRig('abc')
    rig.cpu('a')
    rig.suspect('b')
    rig.down('c')
    expect(rig.usable()).toBe('a')
  })

  it('tells whoever listens when one is drained and when no more', () => {
    const rig = createRig('ab')
    let told = 0
    rig.fleet.onChange(() => told++)
    rig.of('a').draining = true
    rig.of('a').draining = false
    expect(told).toBe(2)
  })
})

describe('a tag that stands for another digest', () => {
  const set = (rig: ReturnType<typeof createRig>, digests: Readonly<Record<string, string>>): void => {
    for (const [name, digest] of Object.entries(digests)) rig.of(name).digests = new Map([[MODEL, digest]])
  }

  it('is another model: the one that most have counts, the first one among equals', () => {
    const rig = createRig('abc')
    set(rig, { a: 'old', b: 'new', c: 'new' })
    expect(rig.usable()).toBe('bc')
    set(rig, { c: 'old' })
    expect(rig.usable()).toBe('ac')
    set(rig, { a: '1', b: '2', c: '3' })
    expect(rig.usable()).toBe('a')
  })

  it('is not asked either when the others are away', () => {
    const rig = createRig('abc')
    set(rig, { a: 'old', b: 'new', c: 'new' })
    rig.down('b')
    rig.down('c')
    expect(rig.usable()).toBe('')
  })

  it('is asked when the others have been away for longer than calls wait, until one of them may be back', async () => {
    const rig = createRig('abc')
    set(rig, { a: 'old', b: 'new', c: 'new' })
    rig.down('b')
    rig.down('c')
    // Each may be the one that is back: as the last ones of their model they are tried sooner.
    expect(rig.usable()).toBe('')
    await rig.time.advance(29_999)
    expect(rig.usable()).toBe('bc')
    await rig.time.advance(1)
    expect(rig.usable()).toBe('a')
    rig.of('b').returned()
    rig.of('c').returned()
    expect(rig.usable()).toBe('bc')
  })

  it('is asked also when the others produce nothing for so long', async () => {
    const rig = createRig('abc')
    set(rig, { a: 'old', b: 'new', c: 'new' })
    rig.wedge('b')
    rig.wedge('c')
    await rig.time.advance(29_999)
    expect(rig.usable()).toBe('')
    await rig.time.advance(1)
    expect(rig.usable()).toBe('a')
    for (const name of ['b', 'c']) rig.of(name).liveness.token(rig.time.clock.monotonicMs())
    expect(rig.usable()).toBe('bc')
  })

  it('that only drained backends have does not keep calls from the others', () => {
    const rig = createRig('abc')
    set(rig, { a: 'old', b: 'old', c: 'new' })
    rig.of('a').draining = true
    rig.of('b').draining = true
    expect(rig.usable()).toBe('c')
    rig.of('a').draining = false
    expect(rig.usable()).toBe('a')
  })

  it('is not assumed of a backend whose list was never read', () => {
    const rig = createRig('abc')
    set(rig, { a: 'new', b: 'new' })
    expect(rig.usable()).toBe('abc')
  })
})
