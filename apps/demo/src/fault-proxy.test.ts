import { request } from 'node:http'
import { createStandIn, type StandIn } from '@surefoot/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { createBeat } from './fault-switch.ts'
import { askStraight, type TestOutcome } from './straight-client.ts'

const ANSWER = Array.from({ length: 40 }, (_, index) => ` word${index}`)

let ollama: StandIn
let proxy: FaultProxy

beforeEach(async () => {
  ollama = await createStandIn({ answers: () => ANSWER, tokensPerSecond: 2000, slots: 4 })
  proxy = await createFaultProxy(ollama.url, { model: 'llama3.2', beat: createBeat() })
})

afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
  await ollama[Symbol.asyncDispose]()
})

function ask(patienceMs = 2000, url = proxy.url): Promise<TestOutcome> {
  const body = { model: 'llama3.2', messages: [{ role: 'user', content: 'Hello' }] }
  return askStraight({ url, body, patienceMs, signal: new AbortController().signal })
}

describe('the fault proxy', () => {
  it('hands answers and lists on untouched while nothing is broken', async () => {
    const straight = await (await fetch(`${ollama.url}/api/tags`)).text()
    const proxied = await (await fetch(`${proxy.url}/api/tags`)).text()
    expect(proxied).toBe(straight)
    expect(await ask()).toMatchObject({ ok: true })
    expect(proxy.counts()).toEqual({ requests: 1, broken: 0 })
  })

  it('hands errors of the backend on', async () => {
    const response = await fetch(`${proxy.url}/api/chat`, {
      method: 'POST',
      body: '{"model":"no-such-model","messages":[]}',
    })
    expect(response.status).toBe(404)
    expect(await response.text()).toContain('not found')
  })

  it('every second request fails, the first one at once', async () => {
    await proxy.set('every-second')
    const outcomes = [await ask(), await ask(), await ask(), await ask()]
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([false, true, false, true])
    expect(outcomes[0]?.problem).toBe('The connection was reset.')
    expect(proxy.counts()).toEqual({ requests: 4, broken: 2 })
  })

  it('refuses connections, and takes them again on the same port', async () => {
    await proxy.set('refuse')
    expect(await ask()).toMatchObject({ ok: false, problem: 'The connection was refused.' })
    await proxy.set('none')
    expect(await ask()).toMatchObject({ ok: true })
  })

  it('hangs until the caller has had enough', async () => {
    await proxy.set('hang')
    const outcome = await ask(200)
    expect(outcome).toMatchObject({ ok: false, problem: 'No answer within 0.2 s.' })
    expect(outcome.tookMs).toBeGreaterThanOrEqual(190)
    expect(await ask()).toMatchObject({ ok: true })
  })

  it('cuts an answer in the middle', async () => {
    await proxy.set('cut')
    expect(await ask()).toMatchObject({ ok: false, problem: 'The answer was cut off in the middle.' })
    expect(await ask()).toMatchObject({ ok: true })
  })

  it('cuts new answers alone: not what goes on from a half one, nor the short tests of who can do that', async () => {
    await proxy.set('cut')
    const hello = { role: 'user', content: 'Hello' }
    const others = [
      { messages: [hello, { role: 'assistant', content: 'word0 word1' }] },
      { messages: [hello], options: { num_predict: 24 } },
      { messages: [hello], _debug_render_only: true, stream: false },
      { messages: [] },
    ]
    for (const body of others) {
      const init = { method: 'POST', body: JSON.stringify({ model: 'llama3.2', ...body }) }
      await (await fetch(`${proxy.url}/api/chat`, init)).text()
    }
    expect(proxy.counts()).toEqual({ requests: 4, broken: 0 })
    const response = await fetch(`${proxy.url}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ model: 'llama3.2', messages: [hello] }),
    })
    let text = ''
    await expect(
      (async () => {
        for await (const part of response.body!.pipeThrough(new TextDecoderStream())) text += part
      })(),
    ).rejects.toThrow()
    expect(text.trim().split('\n')).toHaveLength(12)
  })

  it('leaves the health routes alone', async () => {
    await proxy.set('hang')
    expect((await fetch(`${proxy.url}/api/version`)).status).toBe(200)
  })

  it('looks like a connection that ended when the backend itself is away', async () => {
    await ollama.fault({ kind: 'refuse' })
    expect(await ask()).toMatchObject({ ok: false, problem: 'The connection was reset.' })
  })

  it('tells the backend when the caller leaves', async () => {
    ollama.set({ tokensPerSecond: 20 })
    await new Promise<void>((resolve) => {
      const call = request(`${proxy.url}/api/chat`, { method: 'POST', agent: false }, (response) => {
        response.once('data', () => {
          call.destroy()
          resolve()
        })
        response.on('error', () => {})
      })
      call.on('error', () => {})
      call.end('{"model":"llama3.2","messages":[{"role":"user","content":"Hello"}]}')
    })
    await expect.poll(() => ollama.counts.canceled).toBe(1)
  })

  it('keeps one model out of memory with Ollama’s own words, and lets the others answer', async () => {
    await proxy.set('no-memory')
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`${proxy.url}${path}`, { method: 'POST', body: JSON.stringify(body) })
    const question = { messages: [{ role: 'user', content: 'Hello' }] }
    // A load is a question without one.
    for (const [path, body] of [
      ['/api/chat', { model: 'llama3.2', ...question }],
      ['/api/chat', { model: 'llama3.2:latest', messages: [] }],
      ['/api/generate', { model: 'LLAMA3.2' }],
    ] as const) {
      const response = await post(path, body)
      expect(response.status).toBe(500)
      expect(await response.json()).toEqual({
        error: 'model requires more system memory (5.6 GiB) than is available (3.1 GiB)',
      })
    }
    expect((await post('/api/chat', { model: 'smollm2:135m', ...question })).status).toBe(200)
    expect(proxy.counts()).toEqual({ requests: 4, broken: 3 })

    const inMemory = async (): Promise<string[]> => {
      const { models } = (await (await fetch(`${proxy.url}/api/ps`)).json()) as { models: { name: string }[] }
      return models.map(({ name }) => name)
    }
    expect(await inMemory()).toEqual(['smollm2:135m'])
    await proxy.set('none')
    expect(await inMemory()).toContain('llama3.2:latest')
  })

  it('strikes every second request of all backends together, so that another backend can help', async () => {
    const beat = createBeat()
    const pair = await Promise.all([1, 2].map(() => createFaultProxy(ollama.url, { model: 'llama3.2', beat })))
    try {
      await Promise.all(pair.map((one) => one.set('every-second')))
      const outcomes: boolean[] = []
      for (const one of [...pair, ...pair]) outcomes.push((await ask(2000, one.url)).ok)
      expect(outcomes).toEqual([false, true, false, true])
    } finally {
      for (const one of pair) await one[Symbol.asyncDispose]()
    }
  })
})
