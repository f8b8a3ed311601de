import { createSurefoot } from '@surefoot/core'
import type { SurefootConfig } from '@surefoot/core'
import type { Surefoot } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { createStandIn, faults } from '@surefoot/testing'
import type { Fault, StandIn, StandInOptions } from '@surefoot/testing'
import { expect, test, vi } from 'vitest'

import { createClient } from '../src/client.ts'

const messages = [{ role: 'user', content: 'What is water?' }]
const TEXT = 'Water is a clear liquid.'
const answers = { '*': TEXT }

/** Client, server, core and a stand-in Ollama, each on its own socket. */
async function startStack(options: StandInOptions = {}, config: SurefootConfig = {}) {
  const ollama: StandIn = await createStandIn(options)
  const surefoot = createSurefoot(
    { backends: ollama.url, model: 'llama3.2', logLevel: 'silent', ...config },
    { env: {} },
  )
  const server = await createServer({ surefoot, port: 0 })
  const client: Surefoot = createClient({ url: server.url, fallback: false })
  return {
    ollama,
    client,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 })
      await surefoot.close()
      await ollama.close()
    },
  }
}

test('both forms of a question are answered, whole and streamed', async () => {
  await using stack = await startStack({ answers })
  expect(await stack.client.chat('What is water?', { system: 'Be kind.' })).toMatchObject({
    message: { role: 'assistant', content: TEXT },
    model: 'llama3.2',
    done_reason: 'stop',
    served: 'model',
  })
  let text = ''
  let last
  for await (const line of await stack.client.chat({ messages, stream: true })) {
    text += line.message.content
    last = line
  }
  expect(text).toBe(TEXT)
  expect(last).toMatchObject({ done: true, done_reason: 'stop', eval_count: expect.any(Number) })
})

test('health, models and backends come through', async () => {
  await using stack = await startStack()
  const health = await stack.client.health({ force: true })
  expect(health).toMatchObject({ status: 'up', backends: [{ reachable: true, breaker: { state: 'closed' } }] })
  expect((await stack.client.models()).length).toBeGreaterThan(0)
  expect(await stack.client.backends()).toMatchObject([{ url: stack.ollama.url, inFlight: 0 }])
})

const KINDS: [name: string, fault: Fault][] = [
  ['refused', faults.refuse({ every: 2 })],
  ['reset before headers', faults.resetBeforeHeaders({ every: 2 })],
  ['reset on a reused socket', faults.resetReused({ every: 2 })],
  ['500', faults.internal({ every: 2 })],
  ['cut in the midst', faults.cut({ every: 2, afterTokens: 2 })],
]

test.each(KINDS)(
  'every second request of the backend fails (%s): 20 at once are answered whole',
  async (_name, fault) => {
    await using stack = await startStack({ answers, slots: 4 }, { slots: 4, maxRetries: 10, retryDelayMs: 10 })
    await stack.ollama.fault(fault)
    const all = await Promise.all(Array.from({ length: 20 }, () => stack.client.chat('What is water?')))
    expect(all.map(({ message }) => message.content)).toEqual(all.map(() => TEXT))
  },
)

test.each<[string, (client: Surefoot, signal: AbortSignal) => Promise<unknown>]>([
  ['whole', (client, signal) => client.chat('Hi', { signal })],
  [
    'streamed',
    async (client, signal) => {
      for await (const line of await client.chat({ messages, stream: true }, { signal })) void line
    },
  ],
  ['as a run', (client, signal) => client.run('Hi', { signal }).answer],
])('an abort stops the generation within 0.5 s: %s', async (_how, ask) => {
  await using stack = await startStack({ answerTokens: 1_000, tokensPerSecond: 100 })
  const controller = new AbortController()
  const call = ask(stack.client, controller.signal)
  call.catch(() => undefined)
  await vi.waitFor(() => expect(stack.ollama.counts.tokens).toBeGreaterThan(3))
  controller.abort('enough')
  await vi.waitFor(() => expect(stack.ollama.counts.openRequests).toBe(0), { timeout: 500, interval: 10 })
  await expect(call).rejects.toBe('enough')
  expect(await stack.client.backends()).toMatchObject([{ inFlight: 0 }])
})

test('an unknown model and an unreachable Ollama say what to do, through server and client', async () => {
  await using stack = await startStack()
  await expect(stack.client.chat('Hi', { model: 'nobody' })).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining('ollama pull nobody'),
    httpStatus: 404,
  })
  await using alone = await startStack({}, { backends: 'http://127.0.0.1:1', waitForReadyMs: 0 })
  await expect(alone.client.chat('Hi', { deadlineMs: 2_000 })).rejects.toMatchObject({
    message: expect.stringMatching(/127\.0\.0\.1:1|Circuit breaker is OPEN/),
    hint: expect.stringContaining('ollama serve'),
  })
})

test('a body over 10 MiB is refused with its status, streamed or not', async () => {
  await using stack = await startStack()
  const content = 'x'.repeat(11 * 1024 * 1024)
  for (const stream of [false, true]) {
    await expect(stack.client.chat({ messages: [{ role: 'user', content }], stream })).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      httpStatus: 413,
    })
  }
  expect(stack.ollama.counts.chats).toBe(0)
})
