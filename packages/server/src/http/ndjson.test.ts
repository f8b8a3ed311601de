import { SurefootError } from '@surefoot/protocol'
import type { RunEvent } from '@surefoot/protocol'
import { expect, test, vi } from 'vitest'

import { createFakeSurefoot, say } from '../../test/fake-surefoot.ts'
import type { Script } from '../../test/fake-surefoot.ts'
import { createServer } from '../create-server.ts'

async function setup(script: Script) {
  const surefoot = createFakeSurefoot(script)
  const server = await createServer({ surefoot, port: 0 })
  return {
    surefoot,
    chat: (body: unknown) => fetch(`${server.url}/api/chat`, { method: 'POST', body: JSON.stringify(body) }),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  }
}

const messages = [{ role: 'user', content: 'What is water?' }]

test('a line that came from Ollama goes out byte for byte (T10)', async () => {
  const line = '{"model":"m","message":{"tool_calls":[{"arguments":{"b":9007199254740993,"1":2}}]},"done":false}'
  const last = '{"done":true,"zeta":1,"model":"m"}'
  const bytes = (text: string) => new TextEncoder().encode(text)
  await using t = await setup(async (sink) => {
    sink.emit({ type: 'delta', text: '', bytes: bytes(line) } as RunEvent)
    sink.emit({ type: 'finish', answer: { done: true }, bytes: bytes(last) } as unknown as RunEvent)
  })
  const text = await (await t.chat({ model: 'm', messages })).text()
  expect(text.split('\n').slice(0, 2)).toEqual([line, last])
})

test('a failure after the first token is one error line and the end', async () => {
  await using t = await setup(async (sink, call) => {
    await say('Water ')(sink, call)
    throw new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'The answer broke off', hint: 'Ask again.' })
  })
  const response = await t.chat({ messages })
  expect(response.status).toBe(200)
  const lines = (await response.text()).split('\n')
  expect(lines).toHaveLength(3)
  expect(JSON.parse(lines[1]!)).toEqual({ error: 'The answer broke off. Ask again.' })
})

test('a reader that does not read makes the source wait', async () => {
  let said = 0
  await using t = await setup(async (sink, call) => {
    const text = 'x'.repeat(10_000)
    while (!call.signal.aborted) {
      await sink.ready()
      sink.emit({ type: 'delta', text })
      said++
      if (said % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const response = await t.chat({ messages })
  const reader = response.body!.getReader()
  await reader.read()
  let before = -1
  await vi.waitFor(
    () => {
      const now = said
      const hasStopped = now === before
      before = now
      expect(hasStopped).toBe(true)
    },
    { interval: 200, timeout: 10_000 },
  )
  // Sockets and streams hold some megabytes, not the endless answer.
  expect(said).toBeLessThan(5_000)
  await reader.cancel()
  await vi.waitFor(() => expect(t.surefoot.running).toBe(0))
})
