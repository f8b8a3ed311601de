import type { ChatRequest } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { proveContinuation } from './continuation-proof.ts'
import type { Ask } from './continuation-proof.ts'
import { RequestBroken } from './post-whole.ts'
import type { WholeAnswer } from './post-whole.ts'

const WORDS =
  'The water cycle is a process in which water rises from the seas and falls on the land as rain or snow again.'
const TOKENS = WORDS.match(/\s?\S+/g)!
const REQUEST = {
  model: 'llama3.2',
  messages: [{ role: 'user', content: 'A secret' }],
  keep_alive: '1h',
  think: false,
  stream: true,
  options: { num_ctx: 8_192, num_thread: 1, temperature: 0.9, stop: ['x'], num_predict: 5, seed: 7, top_p: 0.1 },
}

interface Body {
  readonly messages?: { readonly role: string; readonly content: string }[]
  readonly prompt?: string
  readonly options?: Record<string, unknown>
  readonly _debug_render_only?: boolean
  readonly raw?: boolean
}

/** What a model does with a half answer, and what its template makes of one. */
interface Model {
  readonly opensNewTurn?: boolean
  readonly chat?: (half: string) => readonly string[]
  readonly raw?: (half: string) => readonly string[]
  /** An answer that is not the usual one. */
  readonly instead?: (body: Body, path: string) => WholeAnswer | undefined
}

const lines = (tokens: readonly string[], route: 'chat' | 'generate'): WholeAnswer => {
  const texts = [...tokens, '']
  const body = texts.map((text, index) => {
    const said = route === 'chat' ? { message: { role: 'assistant', content: text } } : { response: text }
    return JSON.stringify({ ...said, done: index === tokens.length })
  })
  return { status: 200, body: `${body.join('\n')}\n` }
}
/** The tokens that are left after a half. */
const rest = (half: string): string[] => TOKENS.slice(half === '' ? 0 : half.match(/\s?\S+/g)!.length)

function prove({ opensNewTurn = false, chat = rest, raw = rest, instead = () => undefined }: Model = {}) {
  const asked: { path: string; body: Body }[] = []
  const proven = proveContinuation(async (path, given) => {
    const body = given as Body
    asked.push({ path, body })
    const other = instead(body, path)
    if (other !== undefined) return other
    const limit = Number(body.options?.['num_predict'] ?? 0)
    const half = body.messages?.at(-1)?.role === 'assistant' ? body.messages.at(-1)!.content : ''
    if (body._debug_render_only === true) {
      const prompt = `<u>${body.messages![0]!.content}<a>${half}${opensNewTurn && half !== '' ? '<a>' : ''}`
      return { status: 200, body: JSON.stringify({ done: false, _debug_info: { rendered_template: prompt } }) }
    }
    if (body.raw === true) return lines(raw(body.prompt!.split('<a>')[1]!).slice(0, limit), 'generate')
    return lines(chat(half).slice(0, limit), 'chat')
  }, REQUEST)
  return { asked, proven }
}

describe('how a model goes on from a half answer', () => {
  it('by prefill: its template leaves the last message open, and the words are the same', async () => {
    const { asked, proven } = prove()
    expect(await proven).toBe('chat-prefill')
    expect(asked.map(({ path }) => path)).toEqual(['/api/chat', '/api/chat', '/api/chat'])
    expect(asked.at(-1)!.body.messages!.at(-1)).toEqual({ role: 'assistant', content: TOKENS.slice(0, 11).join('') })
  })

  it('by prefill with an echo', async () => {
    const echoes = prove({ chat: (half) => [half + (rest(half)[0] ?? ''), ...rest(half).slice(1)] })
    expect(await echoes.proven).toBe('chat-prefill+echo')
  })

  it('by a raw prompt, when its template begins a new turn', async () => {
    const { asked, proven } = prove({ opensNewTurn: true })
    expect(await proven).toBe('raw')
    expect(asked.at(-1)!.body).toMatchObject({
      raw: true,
      stream: true,
      prompt: expect.stringMatching(/^<u>Describe .*<a>The water cycle is/) as string,
    })
  })

  it('by a raw prompt, when it begins anew although its template is open', async () => {
    expect(await prove({ chat: () => TOKENS }).proven).toBe('raw')
  })

  it('not at all, when the words are others', async () => {
    const other = (half: string): string[] => (half === '' ? TOKENS : [' and', ' something', ' else'])
    expect(await prove({ chat: other, raw: other }).proven).toBe('none')
    const shifted = (half: string): string[] => (half === '' ? TOKENS : rest(half).slice(1))
    expect(await prove({ chat: shifted, raw: shifted }).proven).toBe('none')
  })

  it('not at all, when it thinks, calls tools, refuses, or says too little', async () => {
    const thinking = { status: 200, body: '{"message":{"content":"","thinking":"hm"},"done":false}\n' }
    expect(await prove({ instead: () => thinking }).proven).toBe('none')
    expect(await prove({ instead: () => ({ status: 400, body: '{"error":"does not support chat"}' }) }).proven).toBe(
      'none',
    )
    expect(await prove({ chat: (half) => (half === '' ? ['Yes'] : []) }).proven).toBe('none')
    const refuses = (body: Body) =>
      body.messages?.length === 2 && body._debug_render_only !== true
        ? { status: 400, body: '{"error":"prefill"}' }
        : undefined
    expect(await prove({ instead: refuses }).proven).toBe('none')
  })

  it('is not known, when a request fails', async () => {
    for (const answer of [
      { status: 503, body: '{"error":"busy"}' },
      { status: 200, body: '{"error":"unexpected EOF"}\n' },
      { status: 200, body: '{"message":{"content":"Wa"},"done":false}\n' },
    ]) {
      await expect(prove({ instead: () => answer }).proven).rejects.toBeInstanceOf(RequestBroken)
    }
  })

  it('is asked greedily, briefly, with the options that load the model, and never with what a caller said', async () => {
    const { asked, proven } = prove({ opensNewTurn: true })
    await proven
    for (const { body } of asked) {
      expect(body).toMatchObject({ model: 'llama3.2', keep_alive: '1h' })
      expect(JSON.stringify(body)).not.toContain('secret')
      if (body.options === undefined) continue
      expect(body.options).toEqual({
        num_ctx: 8_192,
        num_thread: 1,
        temperature: 0,
        seed: 1,
        num_predict: expect.any(Number) as number,
      })
      expect(body.options['num_predict']).toBeLessThanOrEqual(24)
    }
  })
})

const HELLO: ChatRequest = {
  model: 'llama3.2',
  messages: [{ role: 'user', content: 'Hello' }],
  options: { num_ctx: 8_192, temperature: 0.7, seed: 5 },
}
const TEXT =
  'Water rises from the sea as vapour, and it falls as rain on hills and fields, until rivers bring it back again.'

function askAt(url: string): Ask {
  return async (path, body) => {
    const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
    return { status: answer.status, body: await answer.text() }
  }
}

for (const prefill of ['continue', 'echo', 'new-turn'] as const) {
  it(`does not make Ollama load the model anew where a half answer means: ${prefill}`, async () => {
    await using ollama = await createStandIn({
      answers: () => TEXT,
      loadMs: 1,
      models: [{ name: 'llama3.2', prefill }],
    })
    const ask = askAt(ollama.url)
    await ask('/api/chat', { ...HELLO, stream: false })
    expect(await proveContinuation(ask, HELLO)).not.toBe('none')
    expect(ollama.counts.loads).toBe(1)
  })
}

it('says nothing about a model whose backend is too busy to render its prompt', async () => {
  await using ollama = await createStandIn({ answers: () => TEXT })
  const ask: Ask = async (path, body) =>
    '_debug_render_only' in body
      ? { status: 503, body: '{"error":"server busy"}' }
      : await askAt(ollama.url)(path, body)
  await expect(proveContinuation(ask, HELLO)).rejects.toThrow(RequestBroken)
})
