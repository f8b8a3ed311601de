import { availableParallelism } from 'node:os'

import { SurefootError } from '@surefoot/protocol'

import type { EmbeddedEngine, EmbeddedMessage, EmbeddedRequest } from './engine.ts'

/** Not a literal where it is imported: the package is there only where somebody has installed it. */
export const PACKAGE = 'node-llama-cpp'
/** The context of the model, in tokens, unless it was trained for less. */
const CONTEXT_TOKENS = 4_096
/** So much room must be left for an answer. */
const LEAST_ANSWER_TOKENS = 64

type HistoryItem =
  | { readonly type: 'system' | 'user'; readonly text: string }
  | { readonly type: 'model'; readonly response: readonly string[] }

interface Disposable {
  dispose(): Promise<void>
}

/** What is used of the package `node-llama-cpp`, 3.x. */
export interface NodeLlamaCpp {
  getLlama(options: { readonly build: 'never'; readonly logLevel: 'disabled' }): Promise<Llama>
  readonly LlamaChat: new (options: { readonly contextSequence: Sequence }) => Chat
}

interface Llama extends Disposable {
  readonly cpuMathCores: number
  loadModel(options: { readonly modelPath: string }): Promise<Model>
}

interface Model extends Disposable {
  readonly tokenizer: unknown
  createContext(options: { readonly contextSize: { readonly max: number }; readonly threads: number }): Promise<Context>
}

interface Context extends Disposable {
  readonly contextSize: number
  getSequence(): Sequence
}

interface Sequence {
  readonly tokenMeter: { readonly usedOutputTokens: number }
}

interface Chat {
  readonly chatWrapper: {
    generateContextState(options: { readonly chatHistory: readonly HistoryItem[] }): {
      readonly contextText: { tokenize(tokenizer: unknown): readonly unknown[] }
    }
  }
  generateResponse(
    history: readonly HistoryItem[],
    options: {
      readonly temperature: number
      readonly topK: number
      readonly topP: number
      readonly seed?: number
      readonly maxTokens: number
      readonly customStopTriggers?: readonly string[]
      readonly signal: AbortSignal
      readonly onTextChunk: (text: string) => void
    },
  ): Promise<{ readonly metadata: { readonly stopReason: string } }>
}

/**
 * Loads the model with `node-llama-cpp`: with its own binaries, as nothing is compiled on the way to an answer.
 *
 * @throws SurefootError `MODEL_FAILED` when it cannot be loaded.
 */
export async function loadNodeLlamaCpp(
  path: string,
  load: () => Promise<unknown> = () => import(PACKAGE as string),
): Promise<EmbeddedEngine> {
  const owned: Disposable[] = []
  const close = async (): Promise<void> => {
    for (const one of owned.splice(0).toReversed()) await one.dispose()
  }
  try {
    const { getLlama, LlamaChat } = (await load()) as NodeLlamaCpp
    const llama = await getLlama({ build: 'never', logLevel: 'disabled' })
    owned.push(llama)
    const model = await llama.loadModel({ modelPath: path })
    owned.push(model)
    const context = await model.createContext({ contextSize: { max: CONTEXT_TOKENS }, threads: threadsOf(llama) })
    owned.push(context)
    const contextSequence = context.getSequence()
    const chat = new LlamaChat({ contextSequence })
    return { generate: (request) => generate(chat, { model, context, contextSequence }, request), close }
  } catch (cause) {
    await close()
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SurefootError({ code: 'MODEL_FAILED', message: `${path} cannot be loaded: ${why}` }, { cause })
  }
}

/**
 * One core is left to the process itself. More threads than there are free cores wait for each other while they spin: the
 * package's own choice of four wrote 10 tokens in a minute on two busy cores, two wrote 40 in 0.7 s (3.22.1).
 */
function threadsOf({ cpuMathCores }: Llama): number {
  return Math.max(1, Math.min(cpuMathCores, availableParallelism()) - 1)
}

interface Loaded {
  readonly model: Model
  readonly context: Context
  readonly contextSequence: Sequence
}

async function generate(
  chat: Chat,
  { model, context, contextSequence }: Loaded,
  { messages, seed, stop, maxTokens, onText, temperature, topK, topP, signal }: EmbeddedRequest,
): ReturnType<EmbeddedEngine['generate']> {
  const history = historyOf(messages)
  const { contextText } = chat.chatWrapper.generateContextState({ chatHistory: history })
  const promptTokens = contextText.tokenize(model.tokenizer).length
  const room = context.contextSize - promptTokens
  // The package would drop the oldest messages in silence.
  if (room < LEAST_ANSWER_TOKENS) throw tooLong(promptTokens, context.contextSize - LEAST_ANSWER_TOKENS)
  const before = contextSequence.tokenMeter.usedOutputTokens
  const { metadata } = await chat.generateResponse(history, {
    temperature,
    topK,
    topP,
    ...(seed !== undefined && { seed }),
    ...(stop.length > 0 && { customStopTriggers: stop }),
    maxTokens: Math.min(maxTokens ?? room, room),
    signal,
    onTextChunk: onText,
  })
  return {
    promptTokens,
    answerTokens: contextSequence.tokenMeter.usedOutputTokens - before,
    isCut: metadata.stopReason === 'maxTokens',
  }
}

/** It ends with the answer that is to be written. */
function historyOf(messages: readonly EmbeddedMessage[]): readonly HistoryItem[] {
  const history = messages.map(({ role, content }): HistoryItem => {
    if (role === 'assistant') return { type: 'model', response: [content] }
    return { type: role === 'system' ? 'system' : 'user', text: content }
  })
  return history.at(-1)?.type === 'model' ? history : [...history, { type: 'model', response: [] }]
}

function tooLong(neededTokens: number, availableTokens: number): SurefootError {
  return new SurefootError({
    code: 'CONTEXT_OVERFLOW',
    message: `The prompt is longer than the context of the model in this process (${neededTokens} tokens, room for ${availableTokens}).`,
    neededTokens,
    availableTokens,
  })
}
