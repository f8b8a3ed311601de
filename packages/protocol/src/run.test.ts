import { expect, onTestFinished, test, vi } from 'vitest'

import type { ChatAnswer } from './chat.ts'
import type { RunEvent } from './events.ts'
import { createRun } from './run.ts'
import type { RunSink } from './run.ts'
import type { Run } from './surefoot.ts'

const ANSWER: ChatAnswer = {
  model: 'tiny',
  created_at: '2026-01-01T00:00:00Z',
  message: { role: 'assistant', content: 'abc' },
  done: true,
  id: 'run',
  served: 'model',
  attempts: 1,
  resumed: 0,
}

const delta = (text: string): RunEvent => ({ type: 'delta', text })

/** A run whose maker is the test. */
function createManualRun() {
  const { promise, resolve, reject } = Promise.withResolvers<ChatAnswer>()
  const stopped = vi.fn<(reason: unknown) => void>((reason) => reject(reason))
  let sink: RunSink | undefined
  const run = createRun(
    'run',
    (given) => {
      sink = given
      return promise
    },
    stopped,
  )
  return { run, sink: sink as RunSink, finish: () => resolve(ANSWER), fail: reject, stopped }
}

async function readAll(run: Run): Promise<string[]> {
  const seen: string[] = []
  for await (const event of run) seen.push(event.type === 'delta' ? event.text : event.type)
  return seen
}

/** Collects what Node would end the process for. */
function watchRejections(): unknown[] {
  const seen: unknown[] = []
  const onRejection = (reason: unknown): void => void seen.push(reason)
  process.on('unhandledRejection', onRejection)
  onTestFinished(() => void process.off('unhandledRejection', onRejection))
  return seen
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('events before the loop, during it and at the end all arrive, in order', async () => {
  const { run, sink, finish } = createManualRun()
  sink.emit(delta('a'))
  const all = readAll(run)
  await nextTurn()
  sink.emit(delta('b'))
  sink.emit(delta('c'))
  await nextTurn()
  sink.emit(delta('d'))
  sink.emit({ type: 'finish', answer: ANSWER })
  finish()
  expect(await all).toEqual(['a', 'b', 'c', 'd', 'finish'])
  expect(await run.answer).toBe(ANSWER)
})

test('several next() at once are answered in the order they were asked', async () => {
  const { run, sink, finish } = createManualRun()
  const iterator = run[Symbol.asyncIterator]()
  const asked = [iterator.next(), iterator.next(), iterator.next()]
  sink.emit(delta('a'))
  sink.emit(delta('b'))
  finish()
  expect(await Promise.all(asked)).toEqual([
    { done: false, value: delta('a') },
    { done: false, value: delta('b') },
    { done: true, value: undefined },
  ])
  expect(await iterator.next()).toEqual({ done: true, value: undefined })
})

test('a failure comes after the events before it, once, and from the answer too', async () => {
  const { run, sink, fail } = createManualRun()
  sink.emit(delta('a'))
  fail(new Error('broken'))
  const iterator = run[Symbol.asyncIterator]()
  expect(await iterator.next()).toEqual({ done: false, value: delta('a') })
  await expect(iterator.next()).rejects.toThrow('broken')
  expect(await iterator.next()).toEqual({ done: true, value: undefined })
  await expect(run.answer).rejects.toThrow('broken')
})

test('a failed run of which only events, only the answer, or nothing is used leaves no unhandled rejection', async () => {
  const seen = watchRejections()
  const runs = [createManualRun(), createManualRun(), createManualRun()] as const
  const onlyEvents = readAll(runs[0].run).catch((error: Error) => error.message)
  const onlyAnswer = runs[1].run.answer.catch((error: Error) => error.message)
  for (const { fail } of runs) fail(new Error('broken'))
  expect(await onlyEvents).toBe('broken')
  expect(await onlyAnswer).toBe('broken')
  await nextTurn()
  expect(seen).toEqual([])
})

test('leaving the loop early stops the run once, and what comes afterwards is dropped', async () => {
  const seen = watchRejections()
  const { run, sink, stopped } = createManualRun()
  sink.emit(delta('a'))
  for await (const event of run) {
    expect(event).toEqual(delta('a'))
    break
  }
  sink.emit(delta('b'))
  run.stop()
  expect(stopped).toHaveBeenCalledTimes(1)
  expect(stopped.mock.calls[0]?.[0]).toMatchObject({ name: 'AbortError' })
  expect(sink.ready()).toBeUndefined()
  await nextTurn()
  expect(seen).toEqual([])
})

test('a reader that leaves while it waits for an event stops the run at once', async () => {
  const { run, stopped } = createManualRun()
  const iterator = run[Symbol.asyncIterator]()
  const pending = iterator.next()
  await iterator.return?.()
  expect(stopped).toHaveBeenCalledTimes(1)
  expect(await pending).toEqual({ done: true, value: undefined })
})

test('a reader that leaves before its first event stops the run', async () => {
  const { run, stopped } = createManualRun()
  await run[Symbol.asyncIterator]().return?.()
  expect(stopped).toHaveBeenCalledTimes(1)
})

test('a second reader is refused, and takes nothing from the first', async () => {
  const { run, sink, finish } = createManualRun()
  const all = readAll(run)
  expect(() => run[Symbol.asyncIterator]()).toThrow(TypeError)
  sink.emit(delta('a'))
  finish()
  expect(await all).toEqual(['a'])
  expect(() => run[Symbol.asyncIterator]()).toThrow('only once')
})

test('stop() with a reason hands that on, and after the end does nothing', async () => {
  const first = createManualRun()
  const reason = new Error('enough')
  first.run.stop(reason)
  expect(first.stopped).toHaveBeenCalledWith(reason)
  await expect(first.run.answer).rejects.toBe(reason)

  const second = createManualRun()
  second.finish()
  await second.run.answer
  second.run.stop()
  expect(second.stopped).not.toHaveBeenCalled()
})

test('a reader that falls behind makes the source wait until it has caught up', async () => {
  const { run, sink } = createManualRun()
  let emitted = 0
  for (; sink.ready() === undefined; emitted++) sink.emit(delta(String(emitted)))
  let isReady = false
  void sink.ready()?.then(() => {
    isReady = true
  })
  const iterator = run[Symbol.asyncIterator]()
  for (let read = 0; read < emitted - 1; read++) await iterator.next()
  await nextTurn()
  expect(isReady).toBe(false)
  expect(await iterator.next()).toEqual({ done: false, value: delta(String(emitted - 1)) })
  await nextTurn()
  expect(isReady).toBe(true)
  expect(sink.ready()).toBeUndefined()
})

test.each<[string, (run: Run) => void]>([
  ['the answer alone', (run) => void run.answer.catch(() => undefined)],
  ['stop()', (run) => run.stop()],
])('a source that waits is let go by %s', async (_what, use) => {
  const { run, sink } = createManualRun()
  while (sink.ready() === undefined) sink.emit(delta('x'))
  const ready = sink.ready()
  use(run)
  await ready
  expect(sink.ready()).toBeUndefined()
})

test('100,000 events pass through in linear time', async () => {
  const { run, sink, finish } = createManualRun()
  for (let count = 0; count < 100_000; count++) sink.emit(delta('x'))
  finish()
  expect(await readAll(run)).toHaveLength(100_000)
})
