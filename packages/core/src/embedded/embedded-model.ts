import { basename } from 'node:path'

import type { ChatChunk } from '@surefoot/protocol'
import { SurefootError } from '@surefoot/protocol'

import { abortable } from '../runtime/abortable.ts'
import { isoTime } from '../runtime/iso-time.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Call, CallContext, Reply } from '../service.ts'
import { WireDelta } from '../wire-delta.ts'
import type { EmbeddedEnd, EmbeddedEngine, EmbeddedRequest, LoadEmbedded } from './engine.ts'
import { TextQueue } from './text-queue.ts'
import { Turns } from './turns.ts'

/** What Ollama takes where a request says nothing. */
const DEFAULT_TEMPERATURE = 0.8
const DEFAULT_TOP_K = 40
const DEFAULT_TOP_P = 0.9
const NS_PER_MS = 1e6
/** A load that takes longer may never end (the package reads some damaged files for ever): calls go on without it. */
const LOAD_MS = 60_000
/** A generation stops at its next token, a load when it is done; one that does not is not waited for. */
const STOP_MS = 5_000
const NEVER = new AbortController().signal

/** When one answer began and went on, on the monotonic clock. */
interface Times {
  readonly askedAtMs: number
  readonly loadedAtMs: number
  firstAtMs: number | undefined
}

/**
 * A model in this process: loaded by the first call that needs it, kept until it is closed, answering one call after the
 * other. A failed load is tried again by the next call.
 */
export class EmbeddedModel {
  readonly name: string
  readonly #path: string
  readonly #load: LoadEmbedded
  readonly #runtime: Runtime
  readonly #turns: Turns
  #engine: Promise<EmbeddedEngine> | undefined
  #loadSinceMs = 0

  constructor(path: string, load: LoadEmbedded, runtime: Runtime) {
    this.name = basename(path).replace(/\.gguf$/i, '')
    this.#path = path
    this.#load = load
    this.#runtime = runtime
    this.#turns = new Turns(runtime)
  }

  /**
   * Resolves with its first token, or with the whole answer for a call that wants it whole. Rejects at that time on the
   * monotonic clock if its turn has not come or the model is not in memory by then.
   */
  async answer(call: Call, { signal }: CallContext, untilMs: number): Promise<Reply> {
    const askedAtMs = this.#nowMs()
    const giveBack = await this.#turns.take(signal, untilMs)
    const queue = new TextQueue()
    const left = new AbortController()
    const onAbort = (): void => {
      left.abort(signal.reason)
      queue.fail(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    // The turn is over when nothing is written any more, not when nobody listens.
    const written = this.#write(call, queue, left.signal, { askedAtMs, untilMs }).catch((error: unknown) =>
      queue.fail(this.#named(error, signal)),
    )
    void written.finally(() => {
      signal.removeEventListener('abort', onAbort)
      giveBack()
    })
    await queue.begun(call.buffered)
    return { backend: '', body: queue.body(() => left.abort(new DOMException('The reader has left', 'AbortError'))) }
  }

  /** Gives the memory back, when what was left in the middle has stopped; calls must have ended. */
  async close(): Promise<void> {
    const engine = this.#engine
    if (engine === undefined) return
    this.#engine = undefined
    await this.#turns.take(NEVER, this.#nowMs() + STOP_MS).catch(() => {})
    const closed = engine.then((loaded) => loaded.close())
    await this.#inTime(closed, this.#nowMs() + STOP_MS, NEVER).catch(() => {})
  }

  async #write(
    { request }: Call,
    queue: TextQueue,
    signal: AbortSignal,
    { askedAtMs, untilMs }: { readonly askedAtMs: number; readonly untilMs: number },
  ): Promise<void> {
    const engine = await this.#inTime(this.#loaded(), Math.min(untilMs, this.#loadSinceMs + LOAD_MS), signal)
    const times: Times = { askedAtMs, loadedAtMs: this.#nowMs(), firstAtMs: undefined }
    const end = await engine.generate({
      ...settingsOf(request.options ?? {}),
      messages: request.messages,
      signal,
      onText: (text) => {
        times.firstAtMs ??= this.#nowMs()
        if (text !== '') queue.push(WireDelta.printed(this.#chunk(text)))
      },
    })
    const { bytes, chunk } = WireDelta.printed(this.#finalChunk(end, times))
    queue.finish({ bytes, chunk })
  }

  #loaded(): Promise<EmbeddedEngine> {
    if (this.#engine !== undefined) return this.#engine
    this.#loadSinceMs = this.#nowMs()
    const engine = this.#load(this.#path)
    this.#engine = engine
    engine.catch(() => {
      if (this.#engine === engine) this.#engine = undefined
    })
    return engine
  }

  /** What is there already is in time. */
  async #inTime<T>(work: Promise<T>, untilMs: number, signal: AbortSignal): Promise<T> {
    const late = new AbortController()
    const timer = this.#runtime.timers.set(Math.max(0, untilMs - this.#nowMs()), () => {
      const message = `${this.name}, the model in this process, is still being loaded.`
      late.abort(new SurefootError({ code: 'OVERLOADED', message }))
    })
    try {
      return await abortable(work, AbortSignal.any([signal, late.signal]))
    } finally {
      timer.cancel()
    }
  }

  #chunk(content: string): ChatChunk {
    return {
      model: this.name,
      created_at: isoTime(this.#runtime.clock),
      message: { role: 'assistant', content },
      done: false,
    }
  }

  #finalChunk(
    { promptTokens, answerTokens, isCut }: EmbeddedEnd,
    { askedAtMs, loadedAtMs, firstAtMs }: Times,
  ): ChatChunk {
    const nowMs = this.#nowMs()
    const ns = (fromMs: number, toMs: number): number => Math.round((toMs - fromMs) * NS_PER_MS)
    return {
      ...this.#chunk(''),
      done: true,
      done_reason: isCut ? 'length' : 'stop',
      total_duration: ns(askedAtMs, nowMs),
      load_duration: ns(askedAtMs, loadedAtMs),
      prompt_eval_count: promptTokens,
      prompt_eval_duration: ns(loadedAtMs, firstAtMs ?? nowMs),
      eval_count: answerTokens,
      eval_duration: ns(firstAtMs ?? nowMs, nowMs),
    }
  }

  #named(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (SurefootError.is(error)) return error
    const message = `${this.name}, the model in this process, failed.`
    return new SurefootError({ code: 'MODEL_FAILED', message }, { cause: error })
  }

  #nowMs(): number {
    return this.#runtime.clock.monotonicMs()
  }
}

/** Ollama's options, as far as they are known here. */
function settingsOf(
  options: Readonly<Record<string, unknown>>,
): Omit<EmbeddedRequest, 'messages' | 'signal' | 'onText'> {
  const number = (name: string): number | undefined => {
    const value = options[name]
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined
  }
  const limit = number('num_predict')
  const { stop } = options
  return {
    temperature: number('temperature') ?? DEFAULT_TEMPERATURE,
    topK: number('top_k') ?? DEFAULT_TOP_K,
    topP: number('top_p') ?? DEFAULT_TOP_P,
    seed: number('seed'),
    stop: [stop].flat().filter((text): text is string => typeof text === 'string' && text !== ''),
    maxTokens: limit !== undefined && limit > 0 ? limit : undefined,
  }
}
