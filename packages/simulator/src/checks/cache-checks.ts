import type { Config } from '@surefoot/core'
import type { ChatAnswer } from '@surefoot/protocol'

import { isShared } from '../callers/call-book.ts'
import type { CallBook } from '../callers/call-book.ts'
import type { CallRecord } from '../callers/call-record.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { CapabilityCheck, SeenRequest } from './capability-check.ts'
import type { Report } from './violation.ts'

/** Versions that cannot refuse a prompt that is too long; and when it is known at the latest that one is among them. */
const KNOWS_NOT = /^0\.12\.[0-5]$/
const FOUND_OUT_MS = 60_000

/** What I11 goes by. */
export interface CacheChecksDeps {
  readonly config: Pick<
    Config,
    'cache' | 'cacheTtlMs' | 'cacheStaleMs' | 'degradeToCache' | 'patienceMs' | 'degradeModels'
  >
  readonly calls: CallBook
  readonly nowMs: () => number
  readonly report: Report
  /** Does something once all that happens now has happened. */
  readonly soon: (work: () => void) => void
}

/**
 * I11: nobody's question is asked twice at once; a cached answer is one that a model gave to the same question of the same
 * tenant, whole and not too long ago; a request that nobody waits for is ended at once.
 */
export class CacheChecks implements CapabilityCheck {
  readonly #deps: CacheChecksDeps
  /** When a model has given a whole answer, by question, tenant and model. */
  readonly #wholeAtMs = new Map<string, number>()
  /** When somebody who had joined a run had to ask alone, by question and tenant: for a while there may be two. */
  readonly #letDownAtMs = new Map<string, number>()
  readonly #reported = new WeakSet<Exchange>()

  constructor(deps: CacheChecksDeps) {
    this.#deps = deps
  }

  dispatched(seen: SeenRequest, open: ReadonlySet<SeenRequest>): void {
    const { config, nowMs, soon } = this.#deps
    const { call } = seen
    if (call === undefined || !config.cache || !isShared(call)) return
    if (call.met === 'joined' && call.question.streamed !== true) this.#letDownAtMs.set(call.key, nowMs())
    for (const other of open) {
      if (other.call === undefined || other.call === call || other.call.key !== call.key) continue
      if (other.request.model === seen.request.model) soon(() => this.#areTwo(seen, other))
    }
  }

  callEnded(_call: CallRecord, open: ReadonlySet<SeenRequest>): void {
    this.#deps.soon(() => {
      for (const seen of open) this.#isWaitedFor(seen)
    })
  }

  answered(call: CallRecord, answer: ChatAnswer): void {
    const { nowMs, soon } = this.#deps
    const { model, served, cachedAtMs, reason } = answer
    const key = `${call.key} ${model}`
    // It may have been kept in this moment by somebody else.
    if (cachedAtMs !== undefined) return soon(() => this.#isKept(call, key, reason !== undefined && served === 'cache'))
    if (served === 'model' && answer.done_reason === 'stop') this.#wholeAtMs.set(key, nowMs())
  }

  /** Whether there is an older answer that could be given to a call when nobody can answer. */
  hasOlder(call: CallRecord, models: readonly string[]): boolean {
    return models.some((model) => this.#ageMs(`${call.key} ${model}`) < this.#keptMs)
  }

  #isKept(call: CallRecord, key: string, isStale: boolean): void {
    const { config, report } = this.#deps
    if (!isStale && !(config.cache && isShared(call))) {
      report('I11', `call ${call.id} is answered from the cache though it left the answer to chance`)
    }
    const ageMs = this.#ageMs(key)
    const mostMs = isStale ? this.#keptMs : config.cacheTtlMs
    if (ageMs === Number.POSITIVE_INFINITY) {
      report('I11', `call ${call.id} is given an answer from the cache that no model gave to its tenant`)
    } else if (ageMs > mostMs) report('I11', `call ${call.id} is given an answer of ${ageMs} ms, ${mostMs} are allowed`)
  }

  #ageMs(key: string): number {
    const atMs = this.#wholeAtMs.get(key)
    return atMs === undefined ? Number.POSITIVE_INFINITY : this.#deps.nowMs() - atMs
  }

  get #keptMs(): number {
    const { cacheTtlMs, cacheStaleMs, degradeToCache } = this.#deps.config
    return degradeToCache ? cacheTtlMs + cacheStaleMs : cacheTtlMs
  }

  #areTwo(seen: SeenRequest, other: SeenRequest): void {
    if (seen.exchange.ended || other.exchange.ended) return
    const [call, first] = [seen.call as CallRecord, other.call as CallRecord]
    const { calls, report, nowMs } = this.#deps
    // A load that it began goes on without it.
    if (calls.waitingFor(first) === undefined) return
    const sinceMs = Math.min(call.startedMs, first.startedMs)
    if ((this.#letDownAtMs.get(call.key) ?? -1) >= sinceMs) return
    // Only where a prompt can be refused is a stream gone on with, and that is found out by the first calls.
    if (nowMs() < FOUND_OUT_MS && KNOWS_NOT.test(seen.ollama.options.version)) return
    // On another rung a call is treated otherwise.
    if (call.question.model !== first.question.model || call.leftRungs.length + first.leftRungs.length > 0) return
    if (this.#hasLostPatience(call) || this.#hasLostPatience(first)) return
    report('I11', `calls ${first.id} and ${call.id} ask ${seen.request.model} the same at once`)
  }

  /** Whoever can be answered in another way waits for the run of another one only so long. */
  #hasLostPatience({ startedMs, deadlineAtMs }: CallRecord): boolean {
    const { config, nowMs } = this.#deps
    if (config.degradeModels.length === 0) return false
    return nowMs() - startedMs >= Math.min(config.patienceMs, (deadlineAtMs - startedMs) / 2)
  }

  #isWaitedFor({ call, exchange }: SeenRequest): void {
    if (call === undefined || exchange.ended || this.#deps.calls.waitingFor(call) !== undefined) return
    // One that is just being connected is ended as soon as it is.
    if (!exchange.started || this.#reported.has(exchange)) return
    // Before its first token it may be a load, which is for all.
    if (exchange.status === 0) return
    this.#reported.add(exchange)
    this.#deps.report('I11', `nobody waits for the answer to call ${call.id}, and it goes on`)
  }
}
