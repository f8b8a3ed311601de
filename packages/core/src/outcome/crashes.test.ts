import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { CallEnd } from '../service.ts'
import { Crashes } from './crashes.ts'
import type { Failure } from './failure.ts'

const status = (text: string, code = 500): Failure => ({
  kind: 'status',
  status: code,
  body: JSON.stringify({ error: text }),
  elapsedMs: 5_000,
})
const line = (text: string): Failure => ({ kind: 'error-line', text, gotToken: true, elapsedMs: 5_000 })
const CRASH = status('an error was encountered while running the model: unexpected EOF')

function createRig() {
  const time = createVirtualTime()
  const crashes = new Crashes(time.clock)
  return {
    time,
    /** A call: what becomes of its attempts, and its end. */
    call(id: string) {
      const cleanups: ((end: CallEnd) => void)[] = []
      return {
        fails: (backend: string, failure: Failure = CRASH) =>
          crashes.judge(failure, { backend, model: 'm' }, { id, defer: (cleanup) => cleanups.push(cleanup) }),
        end: (kind: 'answered' | 'failed'): void => {
          for (const cleanup of cleanups) cleanup({ kind } as CallEnd)
        },
      }
    },
  }
}

describe('a request whose runner crashed', () => {
  it.each([
    ['F7', status('model runner has unexpectedly stopped, this may be due to resource limitations')],
    ['F8', status('POST predict: Post "http://127.0.0.1:41063/completion": EOF')],
    ['F8, newer', CRASH],
    ['F18', line('an error was encountered while running the model: unexpected EOF')],
    ['terminated', status('llama runner process has terminated')],
  ])('on two backends is to blame itself: %s', (_name, failure) => {
    const call = createRig().call('one')
    expect(call.fails('a', failure)).toMatchObject({ crash: true, retry: 'anywhere' })
    const second = call.fails('b', failure)
    expect(second).toMatchObject({ class: 'poison', retry: 'never', error: { code: 'POISONED_REQUEST', group: 'fix' } })
    expect(second.error.message).toBe('The runner of m crashed on this request at a and at b.')
    expect(second.error.hint).toMatch(/Change the request/)
  })

  it('twice on the same backend is not', () => {
    const call = createRig().call('one')
    for (let times = 0; times < 5; times++) expect(call.fails('a')).toMatchObject({ class: 'node', retry: 'anywhere' })
  })

  it('is not blamed for what another call did', () => {
    const rig = createRig()
    rig.call('one').fails('a')
    expect(rig.call('two').fails('b')).toMatchObject({ class: 'node' })
  })

  it.each<[string, Failure]>([
    ['a plain 500', status('internal error')],
    ['a 502 of a proxy, whatever it says', status('unexpected EOF', 502)],
    ['a 504 of a proxy, whatever it says', status('upstream: EOF', 504)],
    ['a reset', { kind: 'network', cause: { code: 'ECONNRESET' }, gotBytes: false, gotToken: false }],
    ['a refusal', { kind: 'network', cause: { code: 'ECONNREFUSED' }, gotBytes: false, gotToken: false }],
    ['a cut', { kind: 'network', cause: { code: 'UND_ERR_SOCKET' }, gotBytes: true, gotToken: true }],
    ['a connection of the runner that was reset', status('read tcp 127.0.0.1:1: connection reset by peer')],
    ['an error line with other words', line('the model ran into a wall')],
    ['a model that cannot be loaded', status('llama runner process has terminated: exit status 2')],
    ['silence', { kind: 'silence', silentMs: 60_000, gotToken: false }],
  ])('is not blamed for %s', (_name, failure) => {
    const call = createRig().call('one')
    call.fails('a', failure)
    expect(call.fails('b', failure).class).not.toBe('poison')
    expect(call.fails('c').class).toBe('node')
    expect(call.fails('d').class).toBe('poison')
  })

  it('is not blamed where the backend has crashed on a request that another one answered, for an hour', () => {
    const rig = createRig()
    const innocent = rig.call('one')
    innocent.fails('a')
    innocent.end('answered')
    for (const order of ['ab', 'ba']) {
      const call = rig.call(order)
      for (const backend of order) expect(call.fails(backend).class).toBe('node')
      call.end('failed')
    }
    const call = rig.call('two others')
    call.fails('b')
    expect(call.fails('c').class).toBe('poison')
  })

  it('after that hour it is again', async () => {
    const rig = createRig()
    const innocent = rig.call('one')
    innocent.fails('a')
    innocent.end('answered')
    await rig.time.advance(3_600_000)
    const call = rig.call('two')
    call.fails('a')
    expect(call.fails('b').class).toBe('poison')
  })

  it('does not excuse the next one like it', () => {
    const rig = createRig()
    for (const id of ['one', 'two', 'three']) {
      const call = rig.call(id)
      call.fails('a')
      expect(call.fails('b').class).toBe('poison')
      call.end('failed')
    }
  })
})
