import { createSurefoot } from '@surefoot/core'
import type { ChatAnswer } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { createStandIn } from '@surefoot/testing'
import type { StandIn } from '@surefoot/testing'
import { expect, test, vi } from 'vitest'

import { createClient } from '../src/client.ts'
import { createTrpcClient } from '../src/trpc.ts'

const TEXTS = { big: 'Water is a clear liquid.', small: 'Water is wet.', last: 'Please ask me again in a minute.' }
const MESSAGES = [{ role: 'user', content: 'What is water?' }]

/** A model and a smaller one on backends of their own, and a whole house before them. */
async function build() {
  const ollamas: { big: StandIn; small: StandIn } = {
    big: await createStandIn({ models: [{ name: 'big' }], answers: { '*': TEXTS.big } }),
    small: await createStandIn({ models: [{ name: 'small' }], answers: { '*': TEXTS.small } }),
  }
  const surefoot = createSurefoot(
    {
      backends: [ollamas.big.url, ollamas.small.url],
      model: 'big',
      degradeModels: 'small',
      degradeToCache: true,
      fallbackMessage: TEXTS.last,
      waitForReadyMs: 300,
      logLevel: 'silent',
    },
    { env: {} },
  )
  const server = await createServer({ surefoot, port: 0 })
  const client = createClient({ url: server.url, fallback: false })
  const trpc = createTrpcClient({ url: server.url })
  const rest = async (stream: boolean): Promise<Response> =>
    await fetch(`${server.url}/api/chat`, { method: 'POST', body: JSON.stringify({ messages: MESSAGES, stream }) })
  return {
    ollamas,
    client,
    /** How the same question is answered on each surface. */
    async answers(): Promise<Record<string, Pick<ChatAnswer, 'served' | 'reason'> & { readonly text: string }>> {
      const said = ({ message, served, reason }: ChatAnswer) => ({ text: message.content, served, reason })
      const body = (await (await rest(true)).text()).trim().split('\n')
      const lines = body.map((line) => JSON.parse(line) as { message: { content: string }; x_served?: object })
      const mark = lines.at(-1)?.x_served as { by: ChatAnswer['served']; reason: string } | undefined
      const whole = await rest(false)
      return {
        core: said(await surefoot.chat({ messages: MESSAGES })),
        client: said(await client.chat({ messages: MESSAGES })),
        run: said(await client.run({ messages: MESSAGES }).answer),
        trpc: said((await trpc.chat.mutate({ messages: MESSAGES })) as ChatAnswer),
        stream: {
          text: lines.map(({ message }) => message.content).join(''),
          served: mark?.by ?? 'model',
          reason: mark?.reason,
        },
        whole: {
          text: ((await whole.json()) as { message: { content: string } }).message.content,
          served: whole.headers.get('x-surefoot-served') as ChatAnswer['served'],
          reason: whole.headers.get('x-surefoot-reason') ?? undefined,
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 })
      await surefoot.close()
      await Promise.all([ollamas.big.close(), ollamas.small.close()])
    },
  }
}

test('down the ladder and back: every surface says how it was answered', async () => {
  await using house = await build()
  const { ollamas } = house
  const expectAll = async (served: string, text: string): Promise<void> => {
    for (const [surface, answer] of Object.entries(await house.answers())) {
      expect([surface, answer.served, answer.text]).toEqual([surface, served, text])
      expect(answer.reason === undefined, surface).toBe(served === 'model')
    }
  }
  await expectAll('model', TEXTS.big)

  const port = Number(new URL(ollamas.big.url).port)
  await ollamas.big.close()
  await expectAll('degraded', TEXTS.small)

  await ollamas.small.close()
  await expectAll('cache', TEXTS.big)
  expect(await house.client.chat('And what is fire?')).toMatchObject({
    served: 'fallback',
    reason: expect.any(String),
    message: { content: TEXTS.last },
  })

  ollamas.big = await createStandIn({ port, models: [{ name: 'big' }], answers: { '*': TEXTS.big } })
  const backMs = performance.now()
  await vi.waitFor(async () => expect((await house.client.chat('Are you back?')).served).toBe('model'), {
    timeout: 5_000,
    interval: 50,
  })
  expect(performance.now() - backMs).toBeLessThan(2_000)
  await expectAll('model', TEXTS.big)
})
