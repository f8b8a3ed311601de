import { SurefootError } from '@surefoot/protocol'

import type { Config } from '../../config/config.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import type { Verdict } from '../../outcome/verdict.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { wait } from '../../runtime/wait.ts'
import type { Call, CallContext, ContinueFrom, Reply, Service, Spent } from '../../service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { deadlineAtMsOf } from '../../terms.ts'
import { isUnfinished } from './may-resume.ts'
import type { Broken } from './statistics.ts'

/** How often one answer is gone on from at the most. */
const MOST_RESUMES = 5
/** Failed attempts that cost a backend work, over all segments of one call. */
const MOST_COSTLY = 8

/** The settings it goes by. */
export type ResumeOptions = Pick<Config, 'resume' | 'timeoutMs' | 'retryDelayMs' | 'maxRetryDelayMs' | 'jitter'>

/** What resume must know of the backends. */
export interface Going {
  /** A stream has begun there, or has ended whole. */
  began(backend: string, model: string): void
  answered(backend: string, call: Call): void
  digestOf(backend: string, model: string): string | undefined
  /** The backends that may be asked to go on, as far as it is known. */
  candidates(call: Call, from: ContinueFrom): readonly string[]
  /** Finds out which backends have the same model, where that is not known yet. */
  lookAround(model: string, signal: AbortSignal): Promise<void>
  /** Whether anybody may be able to go on from an answer to this call. */
  isPossible(call: Call): boolean
  /** It did not go on although it was proven. */
  refute(backend: string, call: Call): void
}

/** What the layer is built with. */
export interface ResumeDeps {
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  readonly going: Going
  /** Takes what one more costly attempt costs; false when the retry budget is used up. */
  readonly takeBudget: (tenant: string | undefined) => boolean
}

/** What the caller has when a stream breaks. */
export interface HalfAnswer {
  /** Its text without white space at the end. */
  readonly half: string
  /** How many tokens it took, as far as they were counted. */
  readonly tokens: number
  /** The last piece of it as it came. */
  readonly lastPiece: string
}

/** The segments of one answer, seen from below: which attempts were made, what they cost, and who may go on. */
export class Resumption {
  readonly #next: Service
  readonly #call: Call
  readonly #context: CallContext
  readonly #options: ResumeOptions
  readonly #deps: ResumeDeps
  readonly #silentAtMs = new Map<string, number>()
  readonly #brokenOn = new Set<string>()
  readonly #spent: Spent = { costly: 0, most: MOST_COSTLY }
  #attempt = 0
  #attemptAtMs = 0
  #firstTokenAtMs = 0
  #digest: string | undefined
  #resumes = 0
  #told: AttemptFailure | undefined
  #broken: Broken = { tokens: 0, totalMs: 0, evalMs: 0 }

  constructor(next: Service, call: Call, context: CallContext, options: ResumeOptions, deps: ResumeDeps) {
    this.#next = next
    this.#call = call
    this.#options = options
    this.#deps = deps
    const emit: CallContext['emit'] = (event) => {
      if (event.type === 'attempt') {
        this.#attempt = event.attempt
        this.#attemptAtMs = this.#nowMs()
      }
      context.emit(event)
    }
    this.#context = { ...context, emit, spent: this.#spent }
  }

  /** Sums over the segments that broke. */
  get broken(): Broken {
    return this.#broken
  }

  /** The first segment. */
  async begin(): Promise<Reply> {
    const reply = await this.#next(this.#call, this.#context)
    this.#deps.going.began(reply.backend, this.#call.model)
    this.#digest = this.#deps.going.digestOf(reply.backend, this.#call.model)
    this.#firstTokenAtMs = this.#nowMs()
    return reply
  }

  /**
   * The next segment after one broke; `undefined` when there is none. Rejects only when the call has been ended.
   *
   * @param half what the backend is to go on after; empty when it cannot be gone on from.
   */
  async goOn(failure: unknown, { half, tokens, lastPiece }: HalfAnswer): Promise<Reply | undefined> {
    if (!(failure instanceof AttemptFailure)) return undefined
    const { signal } = this.#context
    signal.throwIfAborted()
    this.#spent.costly++
    const canResume = failure.verdict.class === 'stream' && half !== ''
    if (canResume) await this.#deps.going.lookAround(this.#call.model, signal)
    this.#segmentBroke(failure, tokens)
    while (canResume && isUnfinished(this.#call, half, tokens, lastPiece)) {
      const from = this.#from(failure.backend, half, tokens)
      const candidates = this.#deps.going.candidates(this.#call, from)
      const waitMs = this.#waitMs(failure, candidates)
      this.#tell(failure, waitMs)
      if (waitMs === undefined) return undefined
      this.#resumes++
      if (waitMs > 0) await wait(this.#deps.runtime.timers, waitMs, signal)
      const reply = await this.#ask(failure.verdict, from, candidates)
      if (reply !== 'refused') return reply
    }
    this.#tell(failure, undefined)
    return undefined
  }

  /** The segment from there was the answer anew: it was not shown, and the backend is not asked to go on again. */
  restarted(backend: string): SurefootError {
    this.#deps.going.refute(backend, this.#call)
    return new SurefootError({
      code: 'STREAM_INTERRUPTED',
      message: `The answer broke off, and Ollama at ${backend} began it anew instead of going on with it.`,
      backend,
      attempts: this.#attempt,
    })
  }

  /** The new text begins. */
  resumed(atChar: number, backend: string): void {
    this.#context.emit({ type: 'resumed', atChar, attempt: this.#attempt, backend })
  }

  whole(backend: string): void {
    this.#deps.going.answered(backend, this.#call)
  }

  #segmentBroke({ backend, verdict }: AttemptFailure, tokens: number): void {
    const nowMs = this.#nowMs()
    this.#brokenOn.add(backend)
    this.#digest ??= this.#deps.going.digestOf(backend, this.#call.model)
    // Silent since its last token; whoever got one after that shows that it lives.
    if (verdict.error.code === 'RESPONSE_TIMEOUT') this.#silentAtMs.set(backend, nowMs - this.#options.timeoutMs)
    this.#broken = {
      tokens,
      totalMs: this.#broken.totalMs + nowMs - this.#attemptAtMs,
      evalMs: this.#broken.evalMs + nowMs - this.#firstTokenAtMs,
    }
  }

  #from(brokenOn: string, text: string, tokens: number): ContinueFrom {
    return { text, tokens, digest: this.#digest, brokenOn, silentAtMs: this.#silentAtMs }
  }

  /** Until the next segment is asked for; `undefined` when it is not. */
  #waitMs({ backend, verdict }: AttemptFailure, candidates: readonly string[]): number | undefined {
    const deadlineAtMs = deadlineAtMsOf(this.#context)
    const isOver = this.#resumes >= MOST_RESUMES || this.#spent.costly >= MOST_COSTLY
    if (candidates.length === 0 || isOver) return undefined
    const hasOther = candidates.some((name) => name !== backend)
    const waitMs = hasOther ? 0 : Math.max(verdict.sameAfterMs ?? 0, this.#backoffMs())
    return waitMs < deadlineAtMs - this.#nowMs() && this.#deps.takeBudget(this.#call.tenant) ? waitMs : undefined
  }

  /** The first one goes at once, the next waits 1, 2, 4 … s. */
  #backoffMs(): number {
    const { retryDelayMs, maxRetryDelayMs, jitter } = this.#options
    if (this.#resumes === 0) return 0
    const nominal = retryDelayMs * 2 ** (this.#resumes - 1)
    return Math.min(nominal * (1 + jitter * (2 * this.#deps.runtime.random.next() - 1)), maxRetryDelayMs)
  }

  async #ask(
    { error }: Verdict,
    continueFrom: ContinueFrom,
    candidates: readonly string[],
  ): Promise<Reply | 'refused' | undefined> {
    const context = this.#context
    // One that has not broken this answer yet is better; at least not the one that has just done it.
    const untried = candidates.some((name) => !this.#brokenOn.has(name))
    const exclude = new Set([...context.exclude, ...(untried ? this.#brokenOn : [continueFrom.brokenOn])])
    const attempt = this.#attempt + 1
    try {
      const reply = await this.#next(this.#call, { ...context, attempt, reason: error.code, exclude, continueFrom })
      this.#firstTokenAtMs = this.#nowMs()
      return reply
    } catch (failure) {
      context.signal.throwIfAborted()
      if (!(failure instanceof AttemptFailure) || failure.verdict.class !== 'client') return undefined
      // With the half the prompt is longer than the context, which says nothing of the backend.
      if (failure.verdict.error.code === 'CONTEXT_OVERFLOW') {
        return (await this.#call.makeRoom?.(failure)) === true ? 'refused' : undefined
      }
      this.#deps.going.refute(failure.backend, this.#call)
      return 'refused'
    }
  }

  /** Once for each break, also when those who were to go on refused to: that is told where they are asked. */
  #tell(failure: AttemptFailure, waitMs: number | undefined): void {
    if (this.#told === failure) return
    this.#told = failure
    const { backend, verdict } = failure
    this.#deps.telemetry.emit({
      type: 'attempt-fail',
      id: this.#context.id,
      attempt: this.#attempt,
      backend,
      code: verdict.error.code,
      problem: verdict.error.message,
      ...(waitMs !== undefined && { waitMs }),
    })
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}
