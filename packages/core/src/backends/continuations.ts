import type { Call, ContinueFrom } from '../service.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { abortable } from '../runtime/abortable.ts'
import type { Backend } from './backend.ts'
import { BoundedMap } from './bounded-map.ts'
import type { ContinuationMode } from './continuation-mode.ts'
import { proveContinuation } from './continuation-proof.ts'
import type { Ask } from './continuation-proof.ts'
import type { Identity } from './health.ts'
import type { Lease } from './lease.ts'

/** A whole proof may take this long. */
const PROOF_MS = 20_000
/** After the first answer of a model a backend is given so much time to fall idle before its proof. */
const PROOF_AFTER_MS = 2_000
/** A proof that could not be made is tried again after 2, 4, 8 … s, when the model has answered once more. */
const LONGEST_PAUSE_MS = 300_000
/** What a tag stands for is looked up again after this time. */
const IDENTITY_MS = 30_000
/** That a model cannot go on is believed for so long: a proof can fail for a reason that passes. */
const NONE_MS = 3_600_000
/** Verdicts kept at the most, over all backends; names come from callers. */
const MOST_VERDICTS = 1_000

/** Whether a backend can go on from a half answer, as far as it is known. */
export type CanContinue = 'yes' | 'no' | 'unproven'

/** One backend, as far as a proof needs it. */
export interface Provable {
  readonly backend: Backend
  /** What the model's tag stood for when the backend was last looked at; asks nobody. */
  readonly identityOf: (model: string) => Identity | undefined
  /** Looks at the backend again, unless that was done a moment ago. */
  readonly recheck: () => Promise<void>
  /** Sends a request of the proof. */
  readonly ask: (limitMs: number, signal: AbortSignal) => Ask
}

/** What it is made with. */
export interface ContinuationsDeps {
  readonly runtime: Runtime
  readonly provables: () => readonly Provable[]
  /** Whether calls wait for a slot: then a proof that nobody waits for gives way. */
  readonly isBusy: () => boolean
}

interface Verdict {
  readonly identity: string
  readonly mode: ContinuationMode
  readonly untilMs: number
}

/**
 * Knows which backend can go on from a half answer of which model, and finds it out: in the background once a model has
 * answered and its backend is idle, or at once when a stream has broken and a lease is in hand. A verdict holds for one
 * backend, one digest and one version of Ollama.
 */
export class Continuations {
  readonly #deps: ContinuationsDeps
  readonly #verdicts = new BoundedMap<string, Verdict>(MOST_VERDICTS)
  readonly #lookedAtMs = new Map<string, number>()
  readonly #planned = new Map<string, Timer>()
  readonly #pauses = new BoundedMap<string, { readonly untilMs: number; readonly nextMs: number }>(MOST_VERDICTS)
  readonly #closing = new AbortController()

  constructor(deps: ContinuationsDeps) {
    this.#deps = deps
  }

  /** A stream has begun there: what its model is called may be asked when it breaks. */
  began(backend: string, model: string): void {
    const provable = this.#find(backend)
    const nowMs = this.#nowMs()
    const knownAtMs = Math.max(
      provable?.identityOf(model)?.atMs ?? -Infinity,
      this.#lookedAtMs.get(backend) ?? -Infinity,
    )
    if (provable === undefined || nowMs - knownAtMs < IDENTITY_MS) return
    this.#lookedAtMs.set(backend, nowMs)
    void provable.recheck()
  }

  /** A stream has ended whole there: the model works, and a proof can be made when there is nothing else to do. */
  answered(backend: string, call: Call): void {
    const key = keyOf(backend, call.model)
    const provable = this.#find(backend)
    if (provable === undefined || this.#planned.has(key) || this.#closing.signal.aborted) return
    if (this.#verdict(provable, call.model) !== undefined) return
    if ((this.#pauses.get(key)?.untilMs ?? 0) > this.#nowMs()) return
    const timer = this.#deps.runtime.timers.set(
      PROOF_AFTER_MS,
      () => {
        this.#planned.delete(key)
        void this.#proveIdle(provable, call)
      },
      'background',
    )
    this.#planned.set(key, timer)
  }

  /** Digest of the model there when the backend was last seen. */
  digestOf(backend: string, model: string): string | undefined {
    return this.#find(backend)?.backend.digests.get(model)
  }

  /** Whether anybody may be able to go on from an answer to this call; asks nobody. */
  isPossible(call: Call): boolean {
    return this.#deps.provables().some((provable) => {
      const mode = this.#verdict(provable, call.model)
      return mode === undefined || allows(mode, call)
    })
  }

  /** Whether that backend may be asked to go on; asks nobody. */
  canContinue(backend: Backend, call: Call, from: ContinueFrom): CanContinue {
    const { model } = call
    const silentAtMs = from.silentAtMs.get(backend.name)
    if (silentAtMs !== undefined && (backend.models.producedAtMs(model) ?? 0) <= silentAtMs) return 'no'
    const provable = this.#find(backend.name)
    if (provable === undefined) return 'no'
    const isSame = backend.name === from.brokenOn
    if (from.digest === undefined && !isSame) return 'no'
    const identity = provable.identityOf(model)
    if (identity === undefined) return 'unproven'
    if (from.digest !== undefined && identity.digest !== from.digest) return 'no'
    const mode = this.#verdict(provable, model)
    if (mode === undefined) return 'unproven'
    return allows(mode, call) ? 'yes' : 'no'
  }

  /** The backends that may be asked to go on, as far as it is known; asks nobody. */
  candidates(call: Call, from: ContinueFrom): string[] {
    return this.#deps
      .provables()
      .filter(({ backend }) => this.canContinue(backend, call, from) !== 'no')
      .map(({ backend }) => backend.name)
  }

  /**
   * With a lease in hand: makes sure that its backend can go on. What was looked up long ago is looked up again, what is
   * not proven is proven now.
   *
   * @returns how to go on there; `none` when that is not possible or cannot be found out.
   */
  async prepare(lease: Lease, call: Call, from: ContinueFrom, signal: AbortSignal): Promise<ContinuationMode> {
    const provable = this.#find(lease.backend.name)
    if (provable === undefined) return 'none'
    const identity = provable.identityOf(call.model)
    if (identity === undefined || this.#nowMs() - identity.atMs > IDENTITY_MS) {
      await abortable(provable.recheck(), signal)
    }
    if (this.canContinue(lease.backend, call, from) === 'unproven') {
      await this.#prove(provable, call, AbortSignal.any([signal, this.#closing.signal]))
      signal.throwIfAborted()
    }
    const mode = this.#verdict(provable, call.model)
    return mode !== undefined && this.canContinue(lease.backend, call, from) === 'yes' ? mode : 'none'
  }

  /** It did not go on although it was proven. */
  refute(backend: string, model: string): void {
    const provable = this.#find(backend)
    if (provable !== undefined) this.#judge(provable, model, 'none')
  }

  /** Ends what runs; nothing new begins. */
  close(): void {
    this.#closing.abort(new DOMException('closed', 'AbortError'))
    for (const timer of this.#planned.values()) timer.cancel()
    this.#planned.clear()
  }

  /** A proof that nobody waits for: only on an idle backend with the model in memory, and given up for any call. */
  async #proveIdle(provable: Provable, call: Call): Promise<void> {
    const { backend } = provable
    const { model } = call
    if (this.#deps.isBusy() || backend.slots.held > 0 || backend.breaker.state !== 'closed') return
    if (backend.models.residency(model, this.#nowMs()) !== 'in-memory') return
    await provable.recheck()
    // Meanwhile a call may have come, or the model turned out to be known already.
    if (this.#closing.signal.aborted || this.#verdict(provable, model) !== undefined) return
    if (this.#deps.isBusy() || backend.slots.held > 0 || provable.identityOf(model) === undefined) return
    const lease = backend.lease(model)
    try {
      if (await this.#prove(provable, call, this.#closing.signal, () => this.#deps.isBusy())) lease.firstToken()
    } finally {
      lease.end({ kind: 'left' })
    }
  }

  /**
   * Finds out and remembers how the model goes on there; false when that could not be found out. A proof that gives way
   * does so between two of its requests: each is short.
   */
  async #prove(provable: Provable, call: Call, signal: AbortSignal, givesWay = (): boolean => false): Promise<boolean> {
    const { model } = call
    const endsAtMs = this.#nowMs() + PROOF_MS
    const ask: Ask = async (path, body) => {
      if (givesWay()) throw new Error('a call waits')
      return await provable.ask(endsAtMs - this.#nowMs(), signal)(path, body)
    }
    const mode = await proveContinuation(ask, call.request).catch(() => undefined)
    if (mode === undefined) this.#pause(keyOf(provable.backend.name, model))
    else this.#judge(provable, model, mode)
    return mode !== undefined
  }

  #judge(provable: Provable, model: string, mode: ContinuationMode): void {
    const identity = provable.identityOf(model)
    if (identity === undefined) return
    const untilMs = mode === 'none' ? this.#nowMs() + NONE_MS : Number.POSITIVE_INFINITY
    const key = keyOf(provable.backend.name, model)
    this.#verdicts.set(key, { identity: printed(identity), mode, untilMs })
    this.#pauses.delete(key)
  }

  #pause(key: string): void {
    const pauseMs = this.#pauses.get(key)?.nextMs ?? PROOF_AFTER_MS
    const nextMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    this.#pauses.set(key, { untilMs: this.#nowMs() + pauseMs, nextMs })
  }

  /** What is proven of the model as it is there now. */
  #verdict(provable: Provable, model: string): ContinuationMode | undefined {
    const verdict = this.#verdicts.get(keyOf(provable.backend.name, model))
    const identity = provable.identityOf(model)
    if (verdict === undefined || identity === undefined || verdict.untilMs <= this.#nowMs()) return undefined
    return verdict.identity === printed(identity) ? verdict.mode : undefined
  }

  #find(backend: string): Provable | undefined {
    return this.#deps.provables().find((provable) => provable.backend.name === backend)
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}

/** A raw prompt has no place for images. */
function allows(mode: ContinuationMode, { request }: Call): boolean {
  if (mode === 'none') return false
  return mode !== 'raw' || request.messages.every(({ images }) => (images?.length ?? 0) === 0)
}

function printed({ digest, version }: Identity): string {
  return `${digest} ${version}`
}

function keyOf(backend: string, model: string): string {
  return `${backend} ${model}`
}
