import { describe, expect, it } from 'vitest'
import { createStandIn, sevenB, splitIntoTokens } from '../src/index.ts'
import { ask, until } from './requests.ts'

const contentOf = (text: string): string => JSON.parse(text).message.content

describe('slots', () => {
  it('lets requests in one by one, in order, with no byte before their turn', async () => {
    await using standIn = await createStandIn({ firstTokenMs: 10 })
    const order: string[] = []
    const asked = ['a', 'b', 'c'].map(async (name) => {
      const seen = ask(standIn.url, { body: { messages: [{ role: 'user', content: name }] } })
      await until(() => standIn.log.length >= name.charCodeAt(0) - 96)
      await seen
      order.push(name)
    })
    await Promise.all(asked)
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('generates as many at once as there are slots, also when they grow', async () => {
    await using standIn = await createStandIn({ firstTokenMs: 60_000 })
    const control = new AbortController()
    const first = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.openRequests === 1)
    const others = [ask(standIn.url), ask(standIn.url)]
    await until(() => standIn.counts.openRequests === 3)
    standIn.set({ firstTokenMs: 0, slots: 3 })
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200])
    expect(standIn.counts.openRequests).toBe(1)
    control.abort()
    expect((await first).error).toBe('ABORT_ERR')
  })

  it('drops a queued request whose client leaves', async () => {
    await using standIn = await createStandIn({ firstTokenMs: 200 })
    const control = new AbortController()
    const first = ask(standIn.url)
    await until(() => standIn.counts.openRequests === 1)
    const second = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.openRequests === 2)
    control.abort()
    await Promise.all([first, second])
    await until(() => standIn.counts.openRequests === 0)
    expect(standIn.counts).toMatchObject({ answered: 1, canceled: 1, wastedTokens: 0 })
    expect(standIn.counts.tokens).toBe(
      splitIntoTokens(contentOf((await ask(standIn.url, { body: { stream: false } })).text)).length,
    )
  })
})

describe('a client that leaves', () => {
  it.each([true, false])('stops the generation at once and frees the slot (stream: %s)', async (stream) => {
    await using standIn = await createStandIn({ answerTokens: 100_000, tokensPerSecond: 1000 })
    const control = new AbortController()
    const left = ask(standIn.url, { body: { stream }, signal: control.signal })
    await until(() => standIn.counts.tokens > 5)
    control.abort()
    await left
    await until(() => standIn.counts.canceled === 1)
    const { tokens, wastedTokens } = standIn.counts
    expect(wastedTokens).toBeLessThan(20)
    standIn.set({ answerTokens: 3 })
    expect((await ask(standIn.url)).status).toBe(200)
    expect(standIn.counts.tokens).toBe(tokens + 3)
  })

  it('stops it at full speed too', async () => {
    await using standIn = await createStandIn({ answerTokens: 1_000_000 })
    const control = new AbortController()
    const left = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.tokens > 100)
    control.abort()
    await left
    await until(() => standIn.counts.openRequests === 0)
    expect(standIn.counts.canceled).toBe(1)
    expect(standIn.counts.wastedTokens).toBeLessThan(16)
    expect(standIn.counts.tokens).toBeLessThan(1_000_000)
  })
})

describe('loading', () => {
  it('is shared by all who wait, and /api/ps tells when it is done', async () => {
    await using standIn = await createStandIn({ loadMs: 250 })
    const loaded = async (): Promise<string[]> =>
      JSON.parse((await ask(standIn.url, { path: '/api/ps' })).text).models.map((model: { name: string }) => model.name)
    const asked = [1, 2, 3].map(() => ask(standIn.url))
    await until(() => standIn.counts.openRequests === 3)
    expect(await loaded()).toEqual([])
    const seen = await Promise.all(asked)
    expect(seen.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await loaded()).toEqual(['llama3.2:latest'])
    expect(standIn.counts.loads).toBe(1)
  })

  it('turns away whom the queue cannot hold, but only while a load is on', async () => {
    await using standIn = await createStandIn({ loadMs: 250, maxQueue: 1 })
    const seen = await Promise.all([1, 2, 3, 4].map(() => ask(standIn.url)))
    expect(
      seen
        .map(({ status }) => status)
        .map(String)
        .toSorted(),
    ).toEqual(['200', '200', '503', '503'])
    const later = await Promise.all([1, 2, 3, 4].map(() => ask(standIn.url)))
    expect(later.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })

  it('is broken off when the client that caused it leaves; the next one starts its own', async () => {
    await using standIn = await createStandIn({ loadMs: 60_000 })
    const control = new AbortController()
    const first = ask(standIn.url, { signal: control.signal })
    await until(() => standIn.counts.loads === 1)
    standIn.set({ loadMs: 1 })
    const second = ask(standIn.url)
    await until(() => standIn.counts.openRequests === 2)
    control.abort()
    await first
    expect((await second).status).toBe(200)
    expect(standIn.counts).toMatchObject({ loads: 2, abortedLoads: 1, canceled: 1, answered: 1 })
  })

  it('is needed again after keep_alive 0 and after keepAliveMs', async () => {
    await using standIn = await createStandIn({ loadMs: 1, keepAliveMs: 300 })
    await ask(standIn.url, { body: { keep_alive: '1h' } })
    await ask(standIn.url, { body: { keep_alive: 0 } })
    expect(standIn.counts.loads).toBe(1)
    await ask(standIn.url)
    expect(standIn.counts.loads).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 301))
    await ask(standIn.url)
    expect(standIn.counts.loads).toBe(3)
  })

  it('is needed again for other load options, once the running answers have ended', async () => {
    await using standIn = await createStandIn({ slots: 2, answerTokens: 5, tokensPerSecond: 100 })
    const sizes = [undefined, 8_192, undefined, 8_192, 8_192]
    const seen = await Promise.all(
      sizes.map((num_ctx) => ask(standIn.url, { body: num_ctx === undefined ? {} : { options: { num_ctx } } })),
    )
    expect(seen.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(standIn.counts.loads).toBeGreaterThanOrEqual(1)
    const { loads } = standIn.counts
    await ask(standIn.url, { body: { options: { num_thread: 1 } } })
    await ask(standIn.url, { body: { options: { num_thread: 1, temperature: 0 } } })
    expect(standIn.counts.loads).toBe(loads + 1)
  })

  it('for other options is not begun when whoever wants it leaves before', async () => {
    await using standIn = await createStandIn({ tokensPerSecond: 50, answerTokens: 10 })
    const running = ask(standIn.url)
    await until(() => standIn.counts.tokens > 0)
    const control = new AbortController()
    const other = ask(standIn.url, { body: { options: { num_ctx: 8_192 } }, signal: control.signal })
    await until(() => standIn.counts.openRequests === 2)
    control.abort()
    await other
    expect((await running).status).toBe(200)
    expect(standIn.counts).toMatchObject({ loads: 0, abortedLoads: 0 })
  })
})

describe('answers', () => {
  it('come from a table by the last user message, or from a function', async () => {
    await using standIn = await createStandIn({ answers: { hi: 'Hello there.', '*': 'What?' } })
    expect(contentOf((await ask(standIn.url, { body: { stream: false } })).text)).toBe('Hello there.')
    standIn.set({ answers: ({ prompt, model }) => `${model} says ${prompt}` })
    expect(contentOf((await ask(standIn.url, { body: { stream: false } })).text)).toBe('llama3.2 says hi')
  })

  it.each([
    ['continue', ' a short story.', true],
    ['echo', 'Once upon a short story.', true],
    ['new-turn', 'Once upon a short story.', false],
  ] as const)('go on from a half assistant message: %s', async (prefill, expected, staysOpen) => {
    await using standIn = await createStandIn({
      models: [{ name: 'llama3.2', prefill }],
      answers: { '*': 'Once upon a short story.' },
    })
    const messages = [
      { role: 'user', content: 'Tell a story.' },
      { role: 'assistant', content: 'Once upon' },
    ]
    expect(contentOf((await ask(standIn.url, { body: { stream: false, messages } })).text)).toBe(expected)
    const seen = await ask(standIn.url, { body: { stream: false, messages, _debug_render_only: true } })
    expect(JSON.parse(seen.text)._debug_info.rendered_template.endsWith('Once upon')).toBe(staysOpen)
  })

  it.each(['continue', 'echo', 'new-turn'] as const)('go on from a raw prompt without an echo: %s', async (prefill) => {
    await using standIn = await createStandIn({
      models: [{ name: 'llama3.2', prefill }],
      answers: { 'Tell a story.': 'Once upon a short story.' },
    })
    const prompt = '<|im_start|>user\nTell a story.<|im_end|>\n<|im_start|>assistant\nOnce upon'
    const seen = await ask(standIn.url, { path: '/api/generate', body: { stream: false, raw: true, prompt } })
    expect(JSON.parse(seen.text).response).toBe(' a short story.')
  })

  it('say it when the code that makes them throws', async () => {
    const answers = (): never => {
      throw new Error('no idea')
    }
    await using standIn = await createStandIn({ answers })
    expect(await ask(standIn.url)).toMatchObject({ status: 500, text: '{"error":"stand-in: Error: no idea"}' })
  })

  it('keep their pace', async () => {
    await using standIn = await createStandIn({ ...sevenB, firstTokenMs: 10, tokensPerSecond: 500, answerTokens: 20 })
    const { milliseconds, text } = await ask(standIn.url)
    expect(text.trim().split('\n').length).toBe(21)
    expect(milliseconds).toBeGreaterThan(10 + 19 * 2 - 2)
  })
})
