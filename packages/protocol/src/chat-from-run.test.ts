import { expect, test, vi } from 'vitest'

import { createChat } from './chat-from-run.ts'
import type { ChatAnswer, ChatChunk } from './chat.ts'
import type { RunEvent } from './events.ts'
import { createRun } from './run.ts'
import type { CallOptions, Surefoot } from './surefoot.ts'

const BODY = { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], stream: true } as const

const ANSWER: ChatAnswer = {
  model: 'tiny',
  created_at: '2026-01-01T00:00:00Z',
  message: { role: 'assistant', content: 'Hello there' },
  done: true,
  done_reason: 'stop',
  eval_count: 2,
  id: 'run',
  served: 'model',
  attempts: 2,
  resumed: 0,
  backend: 'http://gpu-a:11434',
}

/** A `run` that tells these events and then ends as told. */
function createScriptedRun(events: readonly RunEvent[], end: 'finish' | 'hang' | Error = 'finish') {
  const stopped = vi.fn<(reason: unknown) => void>()
  const run = vi.fn<Surefoot['run']>(() => {
    const { promise, reject } = Promise.withResolvers<never>()
    return createRun(
      'run',
      async (sink) => {
        for (const event of events) sink.emit(event)
        if (end === 'hang') return await promise
        if (end !== 'finish') throw end
        sink.emit({ type: 'finish', answer: ANSWER })
        return ANSWER
      },
      (reason) => {
        stopped(reason)
        reject(reason)
      },
    )
  })
  return { run, chat: createChat(run), stopped }
}

async function collect(stream: AsyncIterable<ChatChunk>): Promise<ChatChunk[]> {
  const chunks: ChatChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const deltas: RunEvent[] = [
  { type: 'queued', position: 1, waitingFor: 'slot' },
  { type: 'delta', text: 'Hello ' },
  { type: 'delta', text: 'there', thinking: 'hm' },
]

test.each<[CallOptions | undefined, boolean]>([
  [undefined, true],
  [{ buffered: undefined }, true],
  [{ buffered: false }, false],
])('without stream the run is buffered: options %j', async (options, buffered) => {
  const { chat, run } = createScriptedRun([])
  expect(await chat('Hi', options)).toBe(ANSWER)
  expect(run.mock.calls[0]?.[1]).toMatchObject({ buffered })
})

test('with stream the lines have the form of Ollama, the last one with its statistics and nothing of ours', async () => {
  const { chat } = createScriptedRun(deltas)
  const chunks = await collect(await chat(BODY))
  expect(chunks).toEqual([
    { model: 'tiny', created_at: expect.any(String), message: { role: 'assistant', content: 'Hello ' }, done: false },
    {
      model: 'tiny',
      created_at: expect.any(String),
      message: { role: 'assistant', content: 'there', thinking: 'hm' },
      done: false,
    },
    {
      model: 'tiny',
      created_at: '2026-01-01T00:00:00Z',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      eval_count: 2,
    },
  ])
})

test("a delta that carries Ollama's own line is handed on as that line", async () => {
  const chunk: ChatChunk = {
    model: 'exact',
    created_at: 'then',
    message: { role: 'assistant', content: 'x' },
    done: false,
  }
  const { chat } = createScriptedRun([{ type: 'delta', text: 'x', chunk } as RunEvent])
  const [first] = await collect(await chat(BODY))
  expect(first).toBe(chunk)
})

test('a streamed answer of which no delta came is not lost', async () => {
  const { chat } = createScriptedRun([])
  const chunks = await collect(await chat(BODY, { buffered: true }))
  expect(chunks.map(({ message, done }) => [message.content, done])).toEqual([
    ['Hello there', false],
    ['', true],
  ])
})

test('what fails before the first token rejects the call, and later the loop', async () => {
  await expect(createScriptedRun([], new Error('early')).chat(BODY)).rejects.toThrow('early')
  const stream = await createScriptedRun(deltas, new Error('late')).chat(BODY)
  await expect(collect(stream)).rejects.toThrow('late')
})

test('break, abort() and a return() while waiting each stop the run', async () => {
  const broken = createScriptedRun(deltas, 'hang')
  for await (const _chunk of await broken.chat(BODY)) break
  expect(broken.stopped).toHaveBeenCalledTimes(1)

  const aborted = createScriptedRun(deltas, 'hang')
  const stream = await aborted.chat(BODY)
  const all = collect(stream)
  stream.abort()
  await expect(all).rejects.toMatchObject({ name: 'AbortError' })
  expect(aborted.stopped).toHaveBeenCalledTimes(1)

  const left = createScriptedRun(deltas.slice(0, 2), 'hang')
  const iterator = (await left.chat(BODY))[Symbol.asyncIterator]()
  await iterator.next()
  const pending = iterator.next()
  await iterator.return?.()
  expect(left.stopped).toHaveBeenCalledTimes(1)
  await expect(pending).rejects.toMatchObject({ name: 'AbortError' })
})

test('the lines are read once', async () => {
  const stream = await createScriptedRun(deltas).chat(BODY)
  await collect(stream)
  expect(() => stream[Symbol.asyncIterator]()).toThrow('only once')
})

test('wrong input is for run to judge', async () => {
  const { chat, run } = createScriptedRun([])
  for (const input of [null, undefined, 5, []]) await chat(input as unknown as string)
  expect(run).toHaveBeenCalledTimes(4)
})
