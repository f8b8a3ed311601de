import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import type { Connection } from '../connection.ts'
import { Capabilities } from './capabilities.ts'

const SIGNAL = new AbortController().signal

/** What a backend says of a model: what it can do, a status, or nothing at all. */
type Says = readonly string[] | number | 'nothing' | 'nonsense'

function createRig(backends: Readonly<Record<string, Says>>) {
  const time = createVirtualTime()
  const asked: string[] = []
  const says = new Map(Object.entries(backends))
  const digests = new Map<string, string>()
  const members = Object.keys(backends).map((name) => ({
    backend: { name, digests },
    connection: {
      dispatch(method, path, body, handler) {
        asked.push(`${name} ${method} ${path} ${String(body)}`)
        const said = says.get(name) as Says
        handler.onRequestStart?.({ abort: () => {} } as never, {})
        if (said === 'nothing') return
        const status = typeof said === 'number' ? said : 200
        handler.onResponseStart?.({} as never, status, {})
        const text = said === 'nonsense' ? '<html>' : JSON.stringify({ capabilities: said })
        handler.onResponseData?.({} as never, Buffer.from(text))
        handler.onResponseEnd?.({} as never, {})
      },
    } as Pick<Connection, 'dispatch'> as Connection,
  }))
  const capabilities = new Capabilities(() => members, time)
  const has = (needs: readonly string[], model = 'llava', signal = SIGNAL) => capabilities.has(model, needs, signal)
  return { time, asked, says, digests, has }
}

describe('what a model can do', () => {
  it('is asked once, of every backend', async () => {
    const rig = createRig({ a: ['completion', 'vision'], b: ['completion', 'vision'] })
    expect(await rig.has(['vision'])).toBe(true)
    expect(await rig.has(['tools'])).toBe(false)
    expect(await rig.has(['vision', 'tools'])).toBe(false)
    expect(rig.asked).toEqual(['a POST /api/show {"model":"llava"}', 'b POST /api/show {"model":"llava"}'])
    expect(rig.time.pendingTimers).toBe(0)
  })

  it.each([404, 500, 'nonsense'] as const)(
    'is not known where the answer is %s: asked again 5 s later',
    async (said) => {
      const rig = createRig({ a: said })
      expect(await rig.has(['vision'])).toBe(false)
      expect(await rig.has(['vision'])).toBe(false)
      expect(rig.asked).toHaveLength(1)
      rig.says.set('a', ['vision'])
      await rig.time.advance(5_000)
      expect(await rig.has(['vision'])).toBe(true)
      expect(rig.asked).toHaveLength(2)
    },
  )

  it('must be so on every backend that says anything', async () => {
    const rig = createRig({ a: ['completion', 'vision'], b: ['completion'], c: 404 })
    expect(await rig.has(['vision'])).toBe(false)
    expect(await rig.has(['completion'])).toBe(true)
  })

  it('is asked again when its tag stands for another model', async () => {
    const rig = createRig({ a: ['vision'] })
    rig.digests.set('llava', 'one')
    expect(await rig.has(['vision'])).toBe(true)
    rig.digests.set('llava', 'two')
    rig.says.set('a', ['completion'])
    expect(await rig.has(['vision'])).toBe(false)
    expect(rig.asked).toHaveLength(2)
  })

  it('keeps nobody waiting for more than 2 s, and nobody at all where one backend has said it', async () => {
    const rig = createRig({ a: 'nothing' })
    let known: boolean | undefined
    void rig.has(['vision']).then((is) => (known = is))
    await rig.time.advance(1_999)
    expect(known).toBeUndefined()
    await rig.time.advance(1)
    expect(known).toBe(false)
    const two = createRig({ a: 'nothing', b: ['vision'] })
    void two.has(['vision'])
    await two.time.advance(1)
    expect(await two.has(['vision'])).toBe(true)
  })

  it('lets a caller go who leaves', async () => {
    const rig = createRig({ a: 'nothing' })
    const controller = new AbortController()
    const reason = new Error('enough')
    const asked = rig.has(['vision'], 'llava', controller.signal)
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
    await rig.time.advance(2_000)
    expect(rig.time.pendingTimers).toBe(0)
  })
})
