import type { ChatAnswer, HealthReport, ModelInfo, RunEvent, Surefoot } from '@surefoot/protocol'
import { expectTypeOf, test } from 'vitest'

import { createClient } from './client.ts'
import { createTrpcClient } from './trpc.ts'

const trpc = createTrpcClient({ url: '' })

test('answers are typed by the procedures of the server', () => {
  const answer = trpc.chat.mutate({ message: 'Hi', temperature: 0 })
  expectTypeOf<Awaited<typeof answer>['message']['content']>().toEqualTypeOf<string>()
  expectTypeOf<Awaited<typeof answer>['served']>().toEqualTypeOf<ChatAnswer['served']>()
  expectTypeOf(trpc.health.query({ force: true })).resolves.toExtend<HealthReport>()
  expectTypeOf(trpc.models.query()).resolves.toExtend<ModelInfo[]>()
})

test('a stream is typed by its events', async () => {
  const events = await trpc.chatStream.mutate({ messages: [{ role: 'user', content: 'Hi' }], buffered: true })
  for await (const event of events) {
    expectTypeOf(event.type).toEqualTypeOf<RunEvent['type']>()
    if (event.type === 'finish') expectTypeOf(event.answer.message.content).toEqualTypeOf<string>()
  }
})

test('what the server does not have does not compile', () => {
  // @ts-expect-error: there is no such procedure
  void trpc.chatter
  // @ts-expect-error: a mutation is not a query
  void trpc.chat.query
  // @ts-expect-error: a message is a string
  void trpc.chat.mutate({ message: 5 })
  // @ts-expect-error: neither message nor messages
  void trpc.chat.mutate({ system: 'Be kind.' })
})

test('a client is a Surefoot, and its chat is overloaded as that says', () => {
  const client = createClient({ url: '' })
  expectTypeOf(client).toEqualTypeOf<Surefoot>()
  expectTypeOf(client.chat('Hi')).resolves.toEqualTypeOf<ChatAnswer>()
  expectTypeOf(client.chat({ messages: [], stream: true })).resolves.toHaveProperty('abort')
  // @ts-expect-error: a url is needed
  createClient({})
})
