import type { Answers } from './answers.ts'
import { type CompleteModel, completeModel, DEFAULT_MODELS, type StandInModel } from './models.ts'

/**
 * The Ollama versions the stand-in can be. 0.12.5 is the last one whose chats do not know `truncate`; it is taken to be as
 * 0.24.0 in everything else.
 */
export type OllamaVersion = '0.32.15' | '0.24.0' | '0.12.5'

/** What can be changed while the stand-in runs. */
export interface StandInSettings {
  /** Which Ollama it is, byte for byte. @default '0.32.15' */
  version?: OllamaVersion
  /** @default `llama3.2:latest` and `smollm2:135m` */
  models?: readonly StandInModel[]
  /** What the models say. @default a short deterministic answer */
  answers?: Answers
  /** Length of the built-in answer, in tokens. @default as long as it is */
  answerTokens?: number | undefined
  /** Requests of one model that generate at once, like OLLAMA_NUM_PARALLEL; the others wait in line. @default 1 */
  slots?: number
  /** Requests that may wait for a load, like OLLAMA_MAX_QUEUE; one more gets 503. @default 512 */
  maxQueue?: number
  /** Time to load a model, in ms; with 0 every model is in memory from the start. @default 0 */
  loadMs?: number
  /** Time from the free slot to the first token, in ms. @default 0 */
  firstTokenMs?: number
  /** @default Infinity (as fast as possible, still token by token) */
  tokensPerSecond?: number
  /** Tokens of context where neither request nor model name any, like OLLAMA_CONTEXT_LENGTH. @default 4096 */
  contextLength?: number
  /** Tokens of context for which memory suffices; a load with more fails. @default Infinity */
  mostContext?: number
  /** How long a model stays in memory after its last use, in ms. @default 300_000 */
  keepAliveMs?: number
}

/** Options of {@link createStandIn}. */
export interface StandInOptions extends StandInSettings {
  /** Port on 127.0.0.1; 0 takes a free one. @default 0 */
  port?: number
  /** Seed of everything random: faults by probability and `/v1` ids. @default 1 */
  seed?: number
}

/** Settings with everything filled in. */
export type CompleteSettings = Required<Omit<StandInSettings, 'models'>> & { models: readonly CompleteModel[] }

/** Fills in what was left out. */
export function completeSettings(settings: StandInSettings): CompleteSettings {
  return {
    version: settings.version ?? '0.32.15',
    models: (settings.models ?? DEFAULT_MODELS).map(completeModel),
    answers: settings.answers ?? {},
    answerTokens: settings.answerTokens,
    slots: settings.slots ?? 1,
    maxQueue: settings.maxQueue ?? 512,
    loadMs: settings.loadMs ?? 0,
    firstTokenMs: settings.firstTokenMs ?? 0,
    tokensPerSecond: settings.tokensPerSecond ?? Number.POSITIVE_INFINITY,
    contextLength: settings.contextLength ?? 4096,
    mostContext: settings.mostContext ?? Number.POSITIVE_INFINITY,
    keepAliveMs: settings.keepAliveMs ?? 300_000,
  }
}
