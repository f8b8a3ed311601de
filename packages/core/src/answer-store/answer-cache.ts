import type { ChatAnswer } from '@surefoot/protocol'

import type { Config } from '../config/config.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Call, Reply } from '../service.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { answerKey } from './answer-key.ts'
import type { Entry, MemoryStore } from './memory-store.ts'
import type { SecondLevel } from './second-level.ts'
import { readAnswer, replyFrom, writeAnswer } from './stored-answer.ts'

/** The settings it goes by. */
export type AnswerCacheOptions = Pick<Config, 'cacheTtlMs' | 'cacheStaleMs' | 'degradeToCache' | 'contextGuard'>

/** What it is made with. */
export interface AnswerCacheDeps {
  readonly runtime: Pick<Runtime, 'clock'>
  readonly telemetry: Pick<Telemetry, 'emit'>
  readonly memory: MemoryStore
  readonly second?: SecondLevel | undefined
  /** What a model's tag stands for; `undefined` while that is not known, which it soon is when it has been asked for. */
  readonly digestOf: (model: string) => string | undefined
}

/** The model of a call, and what its tag stood for then, as far as that was known. */
type AskedModel = Pick<Call, 'model' | 'digest'>

/** Where a kept answer was found. */
export type Where = 'memory' | 'redis'

/** What the cache holds and has done since the process began. */
export interface CacheStats {
  readonly entries: number
  readonly bytes: number
  /** Calls that were given a kept answer. */
  readonly hits: number
  /** Calls that joined the run of another one. */
  readonly joined: number
  /** Calls that a model had to be asked for. */
  readonly misses: number
  /** The Redis behind it; absent where none is configured. */
  readonly store?: 'up' | 'down'
}

/** How one call met the cache. */
export type CacheResult =
  | { readonly result: 'hit'; readonly where: Where }
  | { readonly result: 'joined' }
  | { readonly result: 'miss' }

/**
 * The answers that are kept, by the questions they answer: in memory, and behind it in a Redis where one is configured. An
 * answer is fresh for `cacheTtlMs`, and then good enough for `cacheStaleMs` more when no model can answer. One that was
 * written by a model that its tag does not stand for any more is as good as gone.
 */
export class AnswerCache {
  readonly #options: AnswerCacheOptions
  readonly #deps: AnswerCacheDeps
  readonly #memory: MemoryStore
  /** Questions that the second level is asked for now. */
  readonly #asked = new Map<string, Promise<Entry | undefined>>()
  readonly #counts = { hits: 0, joined: 0, misses: 0 }

  constructor(options: AnswerCacheOptions, deps: AnswerCacheDeps) {
    this.#options = options
    this.#deps = deps
    this.#memory = deps.memory
  }

  get stats(): CacheStats {
    const { second } = this.#deps
    const { size: entries, bytes } = this.#memory
    return { entries, bytes, ...this.#counts, ...(second !== undefined && { store: second.isUp ? 'up' : 'down' }) }
  }

  /** Tells how a call met the cache. */
  tell(id: string, met: CacheResult): void {
    this.#counts[met.result === 'hit' ? 'hits' : met.result === 'miss' ? 'misses' : 'joined']++
    this.#deps.telemetry.emit({ type: 'cache', id, ...met })
  }

  keyOf(call: Call): string | undefined {
    return answerKey(call, this.#options.contextGuard)
  }

  /** The fresh answer that is in memory. */
  fresh(key: string, model: string): Reply | undefined {
    return this.#replyFrom(key, this.#memory.get(key), model, this.#options.cacheTtlMs)
  }

  /** Whether there is somebody else to ask. */
  get hasSecond(): boolean {
    return this.#deps.second?.isUp === true
  }

  /** The fresh answer that is in the second level; from now on it is in memory too. */
  async freshElsewhere(key: string, model: string): Promise<Reply | undefined> {
    return this.#replyFrom(key, await this.#lookUp(key), model, this.#options.cacheTtlMs)
  }

  /**
   * An answer to the same question, however old as long as it is kept; for when no model can answer. It is marked as
   * served from the cache.
   */
  async staleAnswer(call: Call): Promise<Reply | undefined> {
    if (!this.mayKeep(call)) return undefined
    const key = this.keyOf(call)
    if (key === undefined) return undefined
    const found = (at: Entry | undefined): Reply | undefined => this.#replyFrom(key, at, call.model, this.#keptMs)
    return found(this.#memory.get(key)) ?? found(await this.#lookUp(key))
  }

  /** Whether an answer to this call may be kept at all. */
  mayKeep({ kind, cache }: Call): boolean {
    return kind === 'chat' && cache !== false
  }

  /** Keeps an answer that a model has just given, as it was when it was asked. @returns whether it is one to keep */
  keep(key: string, { model, digest = this.#deps.digestOf(model) }: AskedModel, answer: ChatAnswer): boolean {
    const { clock } = this.#deps.runtime
    const written = writeAnswer(answer, clock.nowMs(), digest)
    if (written === undefined) return false
    this.#memory.set(key, { written, writtenAtMs: clock.monotonicMs(), digest })
    this.#deps.second?.set(key, written, this.#keptMs)
    return true
  }

  async close(): Promise<void> {
    await this.#deps.second?.close()
  }

  /** How long answers are kept. */
  get #keptMs(): number {
    const { cacheTtlMs, cacheStaleMs, degradeToCache } = this.#options
    return degradeToCache ? cacheTtlMs + cacheStaleMs : cacheTtlMs
  }

  #replyFrom(key: string, entry: Entry | undefined, model: string, withinMs: number): Reply | undefined {
    // Also where there is none: it is to be known when one is kept.
    const digest = this.#deps.digestOf(model)
    if (entry === undefined) return undefined
    const ageMs = this.#deps.runtime.clock.monotonicMs() - entry.writtenAtMs
    const isOther = digest !== undefined && entry.digest !== undefined && entry.digest !== digest
    if (ageMs >= this.#keptMs || isOther) {
      this.#memory.delete(key)
      return undefined
    }
    // Whose it is was not known when it was written: from now on it is this one's.
    if (entry.digest === undefined && digest !== undefined) this.#memory.set(key, { ...entry, digest })
    const stored = ageMs < withinMs ? readAnswer(entry.written) : undefined
    return stored === undefined ? undefined : replyFrom(stored)
  }

  /** Asks the second level, once for all who want to know the same. */
  #lookUp(key: string): Promise<Entry | undefined> {
    const { second } = this.#deps
    if (second?.isUp !== true) return Promise.resolve(undefined)
    let asked = this.#asked.get(key)
    if (asked === undefined) {
      asked = second
        .get(key)
        .then((written) => this.#read(key, written))
        .finally(() => this.#asked.delete(key))
      this.#asked.set(key, asked)
    }
    return asked
  }

  /** What others wrote is only believed when it has the form of an answer. */
  #read(key: string, written: string | undefined): Entry | undefined {
    const stored = written === undefined ? undefined : readAnswer(written)
    if (written === undefined || stored === undefined) return undefined
    const { clock } = this.#deps.runtime
    // Clocks of two machines differ: what seems to come from the future was written now.
    const ageMs = Math.max(0, clock.nowMs() - stored.cachedAtMs)
    const entry: Entry = { written, writtenAtMs: clock.monotonicMs() - ageMs, digest: stored.digest }
    if (ageMs < this.#keptMs) this.#memory.set(key, entry)
    return entry
  }
}
