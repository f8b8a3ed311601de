import { createSurefoot } from '@surefoot/core'
import { createServer } from '@surefoot/server'
import { createStandIn, faults } from '@surefoot/testing'
import { expect, test } from 'vitest'

import { createClient } from '../src/client.ts'

const TEXT = 'Water is a clear liquid that falls as rain, fills the seas and keeps all living things alive.'
const QUESTION = { messages: [{ role: 'user', content: 'What is water?' }] }

/** Two stand-ins behind a server; the first one cuts its first answer, the second one is out until it is put back. */
async function startPair() {
  const parts = new AsyncDisposableStack()
  const options = { answers: () => TEXT, tokensPerSecond: 100 }
  const first = parts.use(await createStandIn(options))
  const second = parts.use(await createStandIn(options))
  const config = { backends: [first.url, second.url], model: 'llama3.2', logLevel: 'silent' } as const
  const surefoot = parts.use(createSurefoot(config, { env: {} }))
  const server = parts.use(await createServer({ surefoot, port: 0 }))
  // Both have the model in memory: who would have to load it first is not the better one to go on.
  for (const other of [second, first]) {
    surefoot.drain(other.url)
    await surefoot.chat(QUESTION)
    surefoot.undrain(other.url)
  }
  surefoot.drain(second.url)
  await first.fault(faults.cut({ afterTokens: 6, times: 1 }))
  return {
    url: server.url,
    second,
    putBack: () => surefoot.undrain(second.url),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

test('an answer that breaks goes on with on another backend, and the client is told where', async () => {
  await using pair = await startPair()
  const run = createClient({ url: pair.url, fallback: false }).run(QUESTION)
  let text = ''
  const resumed: unknown[] = []
  for await (const event of run) {
    if (event.type === 'delta') pair.putBack()
    if (event.type === 'delta') text += event.text
    if (event.type === 'resumed') resumed.push({ ...event, shown: text.length })
  }
  expect(text).toBe(TEXT)
  expect(resumed).toEqual([
    {
      type: 'resumed',
      atChar: expect.any(Number) as number,
      attempt: 2,
      backend: pair.second.url,
      shown: expect.any(Number) as number,
    },
  ])
  expect(resumed).toMatchObject([{ atChar: (resumed[0] as { shown: number }).shown }])
  expect(await run.answer).toMatchObject({ attempts: 2, resumed: 1, backend: pair.second.url })
})

test("Ollama's clients read one answer, and its last line says that it was gone on with", async () => {
  await using pair = await startPair()
  const response = await fetch(`${pair.url}/api/chat`, { method: 'POST', body: JSON.stringify(QUESTION) })
  pair.putBack()
  const lines = (await response.text()).trim().split('\n')
  const parsed = lines.map(
    (line) => JSON.parse(line) as { message: { content: string }; x_resume?: { at_char: number } },
  )
  expect(parsed.map(({ message }) => message.content).join('')).toBe(TEXT)
  const last = parsed.at(-1)
  expect(last).toMatchObject({ done: true, done_reason: 'stop', x_resume: { count: 1 } })
  expect(TEXT.slice(0, last?.x_resume?.at_char)).not.toBe('')
})
