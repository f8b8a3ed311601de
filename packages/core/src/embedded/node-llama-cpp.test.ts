import { describe, expect, it } from 'vitest'

import type { EmbeddedRequest } from './engine.ts'
import { loadNodeLlamaCpp } from './node-llama-cpp.ts'

/** The package as far as it is used, with a model that says `Hi` and has room for 200 tokens, one a character. */
function createFake(broken: { readonly at?: 'model' | 'context'; readonly stopReason?: string } = {}) {
  const seen = { options: [] as unknown[], disposed: [] as string[] }
  const tokenMeter = { usedOutputTokens: 0 }
  const disposable = (name: string) => ({ dispose: async () => void seen.disposed.push(name) })
  const context = {
    contextSize: 200,
    getSequence: () => ({ tokenMeter }),
    ...disposable('context'),
  }
  const model = {
    tokenizer: 'tokenizer',
    createContext: async (options: unknown) => {
      seen.options.push(options)
      if (broken.at === 'context') throw new Error('Failed to create context')
      return context
    },
    ...disposable('model'),
  }
  const llama = {
    cpuMathCores: 64,
    loadModel: async (options: unknown) => {
      seen.options.push(options)
      if (broken.at === 'model') throw new Error('Invalid GGUF magic')
      return model
    },
    ...disposable('llama'),
  }
  class LlamaChat {
    readonly chatWrapper = {
      generateContextState: ({ chatHistory }: { chatHistory: unknown }) => ({
        contextText: {
          tokenize: (tokenizer: unknown) => (tokenizer === 'tokenizer' ? JSON.stringify(chatHistory).split('') : []),
        },
      }),
    }

    async generateResponse(history: unknown, options: { onTextChunk(text: string): void }) {
      const { onTextChunk, ...rest } = options
      seen.options.push({ history, ...rest })
      onTextChunk('Hi')
      tokenMeter.usedOutputTokens += 3
      return { metadata: { stopReason: broken.stopReason ?? 'eogToken' } }
    }
  }
  const module = {
    getLlama: async (options: unknown) => {
      seen.options.push(options)
      return llama
    },
    LlamaChat,
  }
  return { seen, load: () => loadNodeLlamaCpp('/tiny.gguf', async () => module) }
}

const request = (content: string, more: Partial<EmbeddedRequest> = {}): EmbeddedRequest & { texts: string[] } => {
  const texts: string[] = []
  return {
    messages: [{ role: 'user', content }],
    temperature: 0,
    topK: 40,
    topP: 0.9,
    stop: [],
    signal: new AbortController().signal,
    onText: (text) => texts.push(text),
    texts,
    ...more,
  }
}

describe('the package node-llama-cpp', () => {
  it('compiles nothing, logs nothing, and leaves a core to the process', async () => {
    const { seen, load } = createFake()
    await load()
    expect(seen.options).toEqual([
      { build: 'never', logLevel: 'disabled' },
      { modelPath: '/tiny.gguf' },
      { contextSize: { max: 4096 }, threads: expect.any(Number) },
    ])
    const { threads } = seen.options[2] as { threads: number }
    expect(threads).toBeGreaterThanOrEqual(1)
    expect(threads).toBeLessThan(64)
  })

  it('is told the conversation in its words, and asked for no more than there is room for', async () => {
    const { seen, load } = createFake()
    const engine = await load()
    const asked = request('Count.', {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'I' },
      ],
      seed: 0,
      stop: ['END'],
      maxTokens: 1_000,
    })
    const end = await engine.generate(asked)
    const history = [
      { type: 'system', text: 'Be brief.' },
      { type: 'user', text: 'Hi' },
      { type: 'model', response: ['I'] },
    ]
    const promptTokens = JSON.stringify(history).length
    expect(seen.options.at(-1)).toEqual({
      history,
      temperature: 0,
      topK: 40,
      topP: 0.9,
      seed: 0,
      customStopTriggers: ['END'],
      maxTokens: 200 - promptTokens,
      signal: asked.signal,
    })
    expect(asked.texts).toEqual(['Hi'])
    expect(end).toEqual({ promptTokens, answerTokens: 3, isCut: false })
  })

  it('is asked for a new answer where the conversation does not end in one', async () => {
    const { seen, load } = createFake({ stopReason: 'maxTokens' })
    const engine = await load()
    expect(await engine.generate(request('Hi', { maxTokens: 5 }))).toMatchObject({ answerTokens: 3, isCut: true })
    expect(seen.options.at(-1)).toMatchObject({
      history: [
        { type: 'user', text: 'Hi' },
        { type: 'model', response: [] },
      ],
      maxTokens: 5,
    })
    expect(seen.options.at(-1)).not.toHaveProperty('seed')
    expect(seen.options.at(-1)).not.toHaveProperty('customStopTriggers')
  })

  it('is not asked at all when the conversation is too long: it would forget its beginning', async () => {
    const engine = await createFake().load()
    await expect(engine.generate(request('x'.repeat(150)))).rejects.toMatchObject({
      code: 'CONTEXT_OVERFLOW',
      availableTokens: 136,
    })
  })

  it.each([
    ['model', 'Invalid GGUF magic', ['llama']],
    ['context', 'Failed to create context', ['model', 'llama']],
  ] as const)('keeps nothing of what was loaded when the %s fails', async (at, why, disposed) => {
    const { seen, load } = createFake({ at })
    await expect(load()).rejects.toMatchObject({ code: 'MODEL_FAILED', message: `/tiny.gguf cannot be loaded: ${why}` })
    expect(seen.disposed).toEqual(disposed)
  })

  it('gives everything back when it is closed', async () => {
    const { seen, load } = createFake()
    const engine = await load()
    await engine.close()
    expect(seen.disposed).toEqual(['context', 'model', 'llama'])
  })
})
