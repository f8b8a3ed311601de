import type { LocalSurefoot } from '@surefoot/core'
import type { CallOptions, ChatAnswer, ChatInput, ChatRequest } from '@surefoot/protocol'
import { createSeededRandom } from '@surefoot/testing'
import type { OllamaVersion } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { failureOf, read as readEvents, startPair } from './setup.ts'

const VERSIONS: readonly OllamaVersion[] = ['0.32.15', '0.24.0', '0.12.5']
/** Of a model that takes no more. */
const SMALL = [{ name: 'llama3.2', details: { context_length: 512 } }]
const LARGE = [{ name: 'llama3.2', details: { context_length: 131_072 } }]

/** A question of so many words, which are as many tokens. */
function words(count: number): ChatRequest {
  return { messages: [{ role: 'user', content: 'alpha '.repeat(count).trim() }] }
}

/** Of so many words in all, in several turns. */
function conversation(count: number): ChatRequest {
  const turn = Math.floor(count / 9)
  const content = 'alpha '.repeat(turn).trim()
  const messages = Array.from({ length: 9 }, (_, at) => ({ role: at % 2 === 0 ? 'user' : 'assistant', content }))
  return { messages }
}

async function read(
  surefoot: LocalSurefoot,
  input: ChatInput,
  options: CallOptions,
): Promise<{ readonly answer: ChatAnswer | undefined; readonly failure: unknown }> {
  const { events, failure } = await readEvents(surefoot, input, options)
  const finish = events.find((event) => event.type === 'finish')
  return { answer: finish?.answer, failure }
}

/** The backend has told its version. */
async function lookAround(surefoot: { health(options: { force: boolean }): Promise<unknown> }): Promise<void> {
  await surefoot.health({ force: true })
}

describe.each(VERSIONS)('a model of 512 tokens, Ollama %s', (version) => {
  it.each([words, conversation])(
    'prompts of 100 to 5,000 tokens: none is answered from a cut one (%o)',
    async (ask) => {
      await using pair = await startPair({ version, models: SMALL })
      const { ollama, surefoot } = pair
      await lookAround(surefoot)
      for (const count of [100, 300, 450, 520, 600, 1_000, 2_500, 5_000]) {
        for (const buffered of [true, false]) {
          const { failure, answer } = await read(surefoot, ask(count), { buffered })
          if (count <= 450) {
            expect(failure).toBeUndefined()
            expect(answer?.prompt_eval_count).toBeLessThanOrEqual(512)
          } else {
            expect(answer).toBeUndefined()
            expect(failure).toMatchObject({ code: 'CONTEXT_OVERFLOW', availableTokens: 512 })
            const { neededTokens, hint } = failure as { neededTokens: number; hint: string }
            expect(neededTokens).toBeGreaterThan(512)
            if (version === '0.32.15') expect(neededTokens).toBeGreaterThanOrEqual(count - 10)
            expect(hint).toBe(
              'llama3.2 takes at most 512 tokens: shorten the conversation, or use a model that takes more.',
            )
          }
        }
      }
      if (version !== '0.12.5') expect(ollama.counts.cutPrompts).toBe(0)
    },
  )
})

describe.each(VERSIONS)('a model with a large context, Ollama %s', (version) => {
  it('gets the smallest rung that holds the prompt, and the caller his answer', async () => {
    await using pair = await startPair({ version, models: LARGE })
    const { ollama, surefoot } = pair
    await lookAround(surefoot)
    for (const buffered of [true, false]) {
      for (const count of [100, 6_000, 12_000, 100]) {
        const { failure, answer } = await read(surefoot, words(count), { buffered })
        expect(failure).toBeUndefined()
        expect(answer?.prompt_eval_count).toBeGreaterThanOrEqual(count)
      }
    }
    expect(ollama.counts.cutPrompts).toBe(0)
    expect(ollama.counts.loads).toBeLessThanOrEqual(2)
  })

  it('never more than allowed: then it says what the model could take', async () => {
    await using pair = await startPair({ version, models: LARGE })
    const { ollama, surefoot } = pair
    await lookAround(surefoot)
    const failure = await failureOf(surefoot.chat(words(30_000)))
    expect(failure).toMatchObject({ code: 'CONTEXT_OVERFLOW', group: 'fix', httpStatus: 422 })
    expect(failure.hint).toMatch(
      /^Raise options\.num_ctx to at least (32768|65536|131072) \(this model can take 131072\), or shorten the conversation\.$/,
    )
    expect(failure.neededTokens).toBeGreaterThan(16_384)
    if (version !== '0.12.5') expect(ollama.counts.cutPrompts).toBe(0)
  })

  it('1,000 mixed requests cost one load a rung', { timeout: 60_000 }, async () => {
    await using pair = await startPair({ version, models: LARGE, slots: 8 }, { slots: 8, maxContext: 32_768 })
    const { ollama, surefoot } = pair
    await lookAround(surefoot)
    const random = createSeededRandom(7)
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
    const requests = Array.from({ length: 1_000 }, (): [number, number | undefined] => [
      pick([20, 100, 400, 1_500, 3_000, 5_000, 9_000]),
      pick([undefined, undefined, undefined, 2_048, 4_096, 8_192]),
    ])
    let at = 0
    const worker = async (): Promise<void> => {
      for (;;) {
        const [count, num_ctx] = requests[at++] ?? [undefined]
        if (count === undefined) return
        const options = { num_predict: 4, ...(num_ctx !== undefined && { num_ctx }) }
        const answer = await surefoot.chat({ ...words(count), options })
        expect(answer.prompt_eval_count).toBeGreaterThanOrEqual(count)
      }
    }
    await Promise.all(Array.from({ length: 16 }, worker))
    // 4096, 8192, 16384, and for the version that must be given enough beforehand 32768.
    expect(ollama.counts.loads).toBeLessThanOrEqual(version === '0.12.5' ? 4 : 3)
    expect(ollama.counts.cutPrompts).toBe(0)
  })
})

describe('many prompts that do not fit at once', () => {
  it('raise the context once, and the model is described once', async () => {
    await using pair = await startPair({ version: '0.24.0', models: LARGE, slots: 20 }, { slots: 20 })
    const { ollama, surefoot } = pair
    const askAll = (count: number) => Promise.all(Array.from({ length: 20 }, () => surefoot.chat(words(count))))
    await askAll(10)
    const answers = await askAll(6_000)
    for (const { prompt_eval_count } of answers) expect(prompt_eval_count).toBeGreaterThan(6_000)
    expect(ollama.counts.loads).toBeLessThanOrEqual(1)
    expect(ollama.counts.routes['/api/show']).toBe(1)
  })

  it('who waited meanwhile is sent with the larger context', async () => {
    await using pair = await startPair({ models: LARGE, firstTokenMs: 20 }, { slots: 1 })
    const { ollama, surefoot } = pair
    const asked = [30, 6_000, 30, 30, 30].map((count) => surefoot.chat(words(count)))
    await Promise.all(asked)
    expect(ollama.counts.loads).toBe(1)
  })
})

describe('memory that does not suffice', () => {
  it.each(VERSIONS)('the rung is taken back, and small prompts go on (%s)', async (version) => {
    await using pair = await startPair({ version, models: LARGE, mostContext: 4_096 })
    const { ollama, surefoot } = pair
    await lookAround(surefoot)
    await surefoot.chat(words(100))
    for (let again = 0; again < 3; again++) {
      const failure = await failureOf(surefoot.chat(words(6_000)))
      expect(failure).toMatchObject({ code: 'CONTEXT_OVERFLOW', availableTokens: 4_096 })
      expect(failure.hint).toMatch(/^There is not enough memory for a context of \d+ tokens/)
      expect((await surefoot.chat(words(100))).served).toBe('model')
    }
    expect(ollama.counts.loads).toBeLessThanOrEqual(1)
    if (version !== '0.12.5') expect(ollama.counts.cutPrompts).toBe(0)
  })
})

describe('what callers say', () => {
  it('`truncate: true` asks for the cut', async () => {
    await using pair = await startPair({ models: SMALL })
    const { ollama, surefoot } = pair
    await surefoot.chat({ ...words(1_000), truncate: true })
    expect(ollama.counts.cutPrompts).toBe(1)
  })

  it('a context above what may be chosen is honoured', async () => {
    await using pair = await startPair({ models: LARGE })
    const answer = await pair.surefoot.chat({ ...words(30_000), options: { num_ctx: 40_000 } })
    expect(answer.prompt_eval_count).toBeGreaterThan(30_000)
  })

  it('without the guard nothing is added', async () => {
    await using pair = await startPair({ models: SMALL }, { contextGuard: false })
    await pair.surefoot.chat(words(1_000))
    expect(pair.ollama.counts.cutPrompts).toBe(1)
  })

  it('with `maxContext` 0 none is chosen', async () => {
    await using pair = await startPair({ models: LARGE }, { maxContext: 0 })
    const failure = await failureOf(pair.surefoot.chat(words(6_000)))
    expect(failure).toMatchObject({ code: 'CONTEXT_OVERFLOW', availableTokens: 4_096 })
    expect(failure.hint).toBe(
      'Raise options.num_ctx to at least 8192 (this model can take 131072), or shorten the conversation.',
    )
    expect(failure.neededTokens).toBeGreaterThan(6_000)
  })
})
