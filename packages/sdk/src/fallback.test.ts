import { ERROR_CODES, SurefootError } from '@surefoot/protocol'
import type { ErrorCode, RunEvent } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { expect, test, vi } from 'vitest'

import { createFakeSurefoot, delta } from '../test/fake-surefoot.ts'
import { createClient } from './client.ts'
import type { Fallback } from './fallback.ts'

const NOBODY = 'http://127.0.0.1:1'
const TEXT = "I'm having trouble connecting. Please try again."
const codes = Object.keys(ERROR_CODES) as ErrorCode[]

async function collect(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

async function serveError(code: ErrorCode) {
  return await createServer({
    surefoot: createFakeSurefoot(async () => {
      throw new SurefootError({ code, message: 'It failed.', attempts: 4 })
    }),
    port: 0,
  })
}

test('without a server a chat gets the fallback, which says that it is one and why', async () => {
  expect(await createClient({ url: NOBODY }).chat('Hi', { model: 'tiny' })).toEqual({
    model: 'tiny',
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    message: { role: 'assistant', content: TEXT },
    done: true,
    id: expect.stringMatching(/^[\da-f-]{36}$/),
    served: 'fallback',
    reason: 'SERVER_UNREACHABLE',
    attempts: 0,
    resumed: 0,
  })
})

test.each(codes.filter((code) => ERROR_CODES[code].group !== 'fix'))('%s falls back', async (code) => {
  await using server = await serveError(code)
  const answer = await createClient({ url: server.url }).chat('Hi')
  expect(answer).toMatchObject({ served: 'fallback', reason: code, attempts: 4, message: { content: TEXT } })
})

test.each(codes.filter((code) => ERROR_CODES[code].group === 'fix'))(
  '%s is the caller to mend: no fallback',
  async (code) => {
    await using server = await serveError(code)
    await expect(createClient({ url: server.url }).chat('Hi')).rejects.toMatchObject({ code })
  },
)

test("the caller's abort has no fallback", async () => {
  await expect(createClient({ url: NOBODY }).chat('Hi', { signal: AbortSignal.abort('left') })).rejects.toBe('left')
})

test('in a run the fallback comes as one delta and a finish; in a stream of lines as a line', async () => {
  const client = createClient({ url: NOBODY, fallback: 'Later, please.' })
  const run = client.run('Hi')
  expect(await collect(run)).toEqual([
    { type: 'delta', text: 'Later, please.' },
    { type: 'finish', answer: await run.answer },
  ])
  expect(await run.answer).toMatchObject({ served: 'fallback', id: run.id })

  const lines: string[] = []
  const stream = await client.chat({ messages: [{ role: 'user', content: 'Hi' }], stream: true })
  for await (const { message } of stream) lines.push(message.content)
  expect(lines).toEqual(['Later, please.', ''])
})

test('half an answer is never completed with a fallback', async () => {
  const fake = createFakeSurefoot(async (_call, sink) => {
    sink.emit(delta('Half '))
    throw new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'Broken.' })
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  await expect(createClient({ url: server.url }).run('Hi').answer).rejects.toMatchObject({
    code: 'STREAM_INTERRUPTED',
    partial: 'Half ',
  })
})

test('events that are not of the answer do not stand in the way of a fallback', async () => {
  const fake = createFakeSurefoot(async (_call, sink) => {
    sink.emit({ type: 'queued', position: 3, waitingFor: 'slot' })
    throw new SurefootError({ code: 'QUEUE_TIMEOUT', message: 'Full.' })
  })
  await using server = await createServer({ surefoot: fake, port: 0 })
  const events = await collect(createClient({ url: server.url }).run('Hi'))
  expect(events.map(({ type }) => type)).toEqual(['queued', 'delta', 'finish'])
})

test.each([() => 'Sorry.', async () => 'Sorry.'])('a function makes the text, also later', async (make) => {
  const fallback = vi.fn<Exclude<Fallback, string | false>>(make)
  const answer = await createClient({ url: NOBODY, fallback }).chat('Hi')
  expect(answer.message.content).toBe('Sorry.')
  expect(fallback).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'SERVER_UNREACHABLE' }), 'Hi')
})

test('what the function throws is thrown', async () => {
  const client = createClient({
    url: NOBODY,
    fallback: (error) => {
      throw error
    },
  })
  await expect(client.chat('Hi')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
})

test('false turns it off', async () => {
  const client = createClient({ url: NOBODY, fallback: false })
  await expect(client.chat('Hi')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
})

test('health, models and backends tell the truth', async () => {
  const client = createClient({ url: NOBODY })
  for (const call of [() => client.health(), () => client.models(), () => client.backends()]) {
    await expect(call()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
  }
})
