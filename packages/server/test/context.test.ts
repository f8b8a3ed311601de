import { createTRPCClient, httpBatchStreamLink, httpLink } from '@trpc/client'
import type { OllamaVersion } from '@surefoot/testing'
import { describe, expect, test } from 'vitest'

import type { AppRouter } from '../src/router.ts'
import { startSystem } from './system.ts'

/** Of a model that takes no more than 512 tokens. */
const MODELS = [{ name: 'llama3.2', details: { context_length: 512 } }]
const FITTING = [100, 300]
const TOO_LONG = [520, 1_000, 5_000]
const HINT = 'llama3.2 takes at most 512 tokens: shorten the conversation, or use a model that takes more.'

/** So many words, which are as many tokens. */
const messagesOf = (words: number) => [{ role: 'user', content: 'alpha '.repeat(words).trim() }]

/** What a surface says to a prompt: its answer, or the error with its fields. */
type Surface = (url: string, words: number) => Promise<Told>
type Told = { readonly count: number } | { readonly error: Record<string, unknown> }

function plain(url: string) {
  return createTRPCClient<AppRouter>({ links: [httpLink({ url: `${url}/trpc` })] })
}

function streaming(url: string) {
  return createTRPCClient<AppRouter>({ links: [httpBatchStreamLink({ url: `${url}/trpc`, maxItems: 1 })] })
}

function fieldsOf(error: unknown): Told {
  const { data } = error as { data: { surefoot: Record<string, unknown> } }
  return { error: data.surefoot }
}

function rest(stream: boolean): Surface {
  return async (url, words) => {
    const body = JSON.stringify({ messages: messagesOf(words), stream })
    const response = await fetch(`${url}/api/chat`, { method: 'POST', body })
    const last = JSON.parse((await response.text()).trim().split('\n').at(-1)!)
    if (last.error === undefined) return { count: last.prompt_eval_count }
    expect(last.error).toContain(HINT)
    if (response.status === 200) {
      // An Ollama that cannot refuse had begun to answer: the stream ends in an error and not in a last line.
      const [, needed, available] = /about (\d+) tokens, room for (\d+)/.exec(last.error)!
      const sizes = { neededTokens: Number(needed), availableTokens: Number(available) }
      return { error: { code: 'CONTEXT_OVERFLOW', hint: HINT, ...sizes } }
    }
    expect(response.status).toBe(422)
    const header = (name: string) => response.headers.get(`x-surefoot-${name}`)
    const sizes = { neededTokens: Number(header('needed-tokens')), availableTokens: Number(header('available-tokens')) }
    return { error: { code: header('code'), hint: HINT, ...sizes } }
  }
}

const SURFACES: [string, Surface][] = [
  ['/api/chat, whole', rest(false)],
  ['/api/chat, streamed', rest(true)],
  [
    'tRPC chat',
    async (url, words) => {
      try {
        const { prompt_eval_count } = await plain(url).chat.mutate({ messages: messagesOf(words) })
        return { count: prompt_eval_count! }
      } catch (error) {
        return fieldsOf(error)
      }
    },
  ],
  [
    'tRPC chatStream',
    async (url, words) => {
      try {
        let count = 0
        for await (const event of await streaming(url).chatStream.mutate({ messages: messagesOf(words) })) {
          if (event.type === 'finish') count = event.answer.prompt_eval_count!
        }
        return { count }
      } catch (error) {
        return fieldsOf(error)
      }
    },
  ],
]

describe.each<OllamaVersion>(['0.32.15', '0.24.0', '0.12.5'])('no prompt is cut in silence, Ollama %s', (version) => {
  test.each(SURFACES)('%s', async (_name, ask) => {
    await using system = await startSystem({ version, models: MODELS })
    await fetch(`${system.url}/health`)
    for (const words of FITTING) {
      const told = await ask(system.url, words)
      expect(told).toEqual({ count: expect.any(Number) })
      expect((told as { count: number }).count).toBeGreaterThanOrEqual(words)
    }
    for (const words of TOO_LONG) {
      const told = await ask(system.url, words)
      expect(told).toMatchObject({ error: { code: 'CONTEXT_OVERFLOW', availableTokens: 512, hint: HINT } })
      expect((told as { error: { neededTokens: number } }).error.neededTokens).toBeGreaterThan(512)
    }
    expect(system.logged).toEqual([])
  })
})
