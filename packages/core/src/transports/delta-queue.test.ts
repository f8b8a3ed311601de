import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { describe, expect, it } from 'vitest'

import type { Delta, Final } from '../service.ts'
import { DeltaQueue } from './delta-queue.ts'

const chunk = { model: 'm', created_at: '', message: { role: 'assistant', content: '' }, done: true }
const FINAL: Final = { bytes: Buffer.alloc(0), chunk }
const delta = (text: string): Delta => ({ type: 'delta', text, bytes: Buffer.from(text), chunk })

function createRig() {
  const told: string[] = []
  const queue = new DeltaQueue(
    () => told.push('left'),
    (paused) => told.push(paused ? 'paused' : 'resumed'),
  )
  return { queue, told }
}

describe('the queue between socket and reader', () => {
  it('gives each piece once, in order, and then the final line', async () => {
    const { queue } = createRig()
    for (const text of ['a', 'b', 'c']) queue.push(delta(text))
    queue.finish(FINAL)
    const texts: string[] = []
    for (;;) {
      const { value, done } = await queue.next()
      if (done === true) {
        expect(value).toBe(FINAL)
        break
      }
      texts.push(value.text)
    }
    expect(texts).toEqual(['a', 'b', 'c'])
  })

  it('a reader that is ahead waits for the next piece', async () => {
    const { queue } = createRig()
    const next = queue.next()
    queue.push(delta('late'))
    expect((await next).value).toMatchObject({ text: 'late' })
    const last = queue.next()
    queue.finish(FINAL)
    expect(await last).toEqual({ value: FINAL, done: true })
  })

  it('hands on what came before a failure, and then the failure', async () => {
    const { queue } = createRig()
    queue.push(delta('half'))
    const error = new Error('cut')
    queue.fail(error)
    expect((await queue.next()).value).toMatchObject({ text: 'half' })
    await expect(queue.next()).rejects.toBe(error)
  })

  it('a failure reaches a reader that waits', async () => {
    const { queue } = createRig()
    const next = queue.next()
    const error = new Error('cut')
    queue.fail(error)
    await expect(next).rejects.toBe(error)
  })

  it('the first end is the end', async () => {
    const { queue } = createRig()
    queue.finish(FINAL)
    queue.fail(new Error('too late'))
    expect(await queue.next()).toEqual({ value: FINAL, done: true })
  })

  it('pauses the socket at 256 unread pieces and lets it go on at 64', async () => {
    const { queue, told } = createRig()
    for (let count = 0; count < 255; count++) queue.push(delta('x'))
    expect(told).toEqual([])
    queue.push(delta('x'))
    queue.push(delta('x'))
    expect(told).toEqual(['paused'])
    for (let count = 0; count < 192; count++) await queue.next()
    expect(told).toEqual(['paused'])
    await queue.next()
    expect(told).toEqual(['paused', 'resumed'])
  })

  it('pauses again, as often as needed, and loses nothing', async () => {
    const { queue, told } = createRig()
    let sent = 0
    let read = 0
    for (let round = 0; round < 5; round++) {
      while (told.filter((what) => what === 'paused').length <= round) queue.push(delta(String(sent++)))
      while (told.filter((what) => what === 'resumed').length <= round) {
        expect((await queue.next()).value).toMatchObject({ text: String(read++) })
      }
    }
    expect(told).toEqual(Array.from({ length: 5 }, () => ['paused', 'resumed']).flat())
  })

  it('keeps nothing of what was read, also for a reader that is always behind', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    let isPaused = false
    const queue = new DeltaQueue(
      () => {},
      (paused) => (isPaused = paused),
    )
    const pieces: WeakRef<Delta>[] = []
    for (let read = 0; read < 2_000; read++) {
      while (!isPaused) {
        const piece = delta('x')
        pieces.push(new WeakRef(piece))
        queue.push(piece)
      }
      await queue.next()
    }
    // A weak reference holds its target until the end of the turn that made it.
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    expect(pieces.filter((piece) => piece.deref() !== undefined).length).toBeLessThanOrEqual(2 * 256)
    // It is still in use.
    expect((await queue.next()).done).toBe(false)
  })

  it('a reader that leaves the loop early says so', async () => {
    const { queue, told } = createRig()
    queue.push(delta('a'))
    for await (const { text } of queue) {
      expect(text).toBe('a')
      break
    }
    expect(told).toEqual(['left'])
  })

  it('so does one that throws into it or disposes of it', async () => {
    const { queue, told } = createRig()
    await expect(queue.throw(new Error('mine'))).rejects.toThrow('mine')
    await queue[Symbol.asyncDispose]()
    expect(told).toEqual(['left', 'left'])
  })
})
