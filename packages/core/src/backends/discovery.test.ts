import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { Discovery } from './discovery.ts'

const NAME = 'dns+http://user:p%40ss@ollama.svc:11434/prefix'

function createRig() {
  const time = createVirtualTime()
  const rig = {
    time,
    found: [] as (readonly string[])[],
    asked: [] as string[],
    answer: (async () => ['10.0.0.2', '10.0.0.1', 'fd00::1']) as () => Promise<readonly string[]>,
  }
  const discovery = new Discovery({
    runtime: time,
    resolve: (hostname) => {
      rig.asked.push(hostname)
      return rig.answer()
    },
    onFound: (urls) => rig.found.push(urls),
  })
  return Object.assign(rig, { discovery })
}

describe('which backends there are', () => {
  it('URLs are what they are, and nothing is looked up', async () => {
    const rig = createRig()
    rig.discovery.set(['http://b:1', 'http://a:1'])
    await rig.time.advance(60_000)
    expect(rig.found).toEqual([['http://b:1', 'http://a:1']])
    expect([rig.asked, rig.time.pendingTimers]).toEqual([[], 0])
  })

  it('a name stands for all its addresses, with the rest of its URL', async () => {
    const rig = createRig()
    rig.discovery.set(['http://a:1', NAME])
    await rig.time.advance(0)
    expect(rig.asked).toEqual(['ollama.svc'])
    expect(rig.found.at(-1)).toEqual([
      'http://a:1',
      'http://user:p%40ss@10.0.0.1:11434/prefix',
      'http://user:p%40ss@10.0.0.2:11434/prefix',
      'http://user:p%40ss@[fd00::1]:11434/prefix',
    ])
  })

  it('is looked up every 10 s; another order is no change', async () => {
    const rig = createRig()
    rig.discovery.set([NAME])
    await rig.time.advance(0)
    const before = rig.found.length
    rig.answer = async () => ['10.0.0.1', 'fd00::1', '10.0.0.2']
    await rig.time.advance(10_000)
    expect(rig.found).toHaveLength(before)
    rig.answer = async () => ['10.0.0.1', '10.0.0.3']
    await rig.time.advance(10_000)
    expect(rig.asked).toHaveLength(3)
    expect(rig.found.at(-1)!.map((url) => new URL(url).hostname)).toEqual(['10.0.0.1', '10.0.0.3'])
  })

  it.each([
    ['an empty answer', async () => []],
    ['a failure', async () => Promise.reject(new Error('SERVFAIL'))],
  ])('%s changes nothing', async (_name, answer) => {
    const rig = createRig()
    rig.discovery.set([NAME])
    await rig.time.advance(0)
    const before = rig.found.length
    rig.answer = answer
    await rig.time.advance(60_000)
    expect(rig.found).toHaveLength(before)
    expect(rig.asked.length).toBeGreaterThan(5)
  })

  it('until it was answered once, it is looked up every second', async () => {
    const rig = createRig()
    rig.answer = async () => []
    rig.discovery.set([NAME])
    await rig.time.advance(3_000)
    expect(rig.asked).toHaveLength(4)
    expect(rig.found).toEqual([])
  })

  it('other targets: a name that stays keeps its addresses, the answer to one that went does not count', async () => {
    const rig = createRig()
    rig.discovery.set([NAME])
    await rig.time.advance(0)
    let late: (addresses: readonly string[]) => void = () => {}
    rig.answer = () => new Promise((resolve) => (late = resolve))
    rig.discovery.set([NAME, 'http://a:1'])
    expect(rig.found.at(-1)).toHaveLength(4)
    rig.discovery.set(['http://a:1'])
    late(['10.0.0.9'])
    await rig.time.advance(0)
    expect(rig.found.at(-1)).toEqual(['http://a:1'])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('nothing is looked up after close', async () => {
    const rig = createRig()
    rig.discovery.set([NAME])
    await rig.time.advance(0)
    rig.discovery.close()
    expect(rig.time.pendingTimers).toBe(0)
    await rig.time.advance(60_000)
    expect(rig.asked).toHaveLength(1)
  })
})
