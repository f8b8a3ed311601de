import type { Call, ContinueFrom } from '../service.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { abortable } from '../runtime/abortable.ts'
import { AttemptFailure } from '../outcome/attempt-failure.ts'
import { classify } from '../outcome/classify.ts'
import type { Failure } from '../outcome/failure.ts'
import type { Backend } from './backend.ts'
import { BoundedMap } from './bounded-map.ts'
import type { ContinuationMode } from './continuation-mode.ts'
import { ContinuationVerdicts, allows, keyOf } from './continuation-verdicts.ts'
import { proveContinuation } from './continuation-proof.ts'
import type { Ask, Provable } from './continuation-proof.ts'
import type { Lease } from './lease.ts'
import { RequestBroken } from './post-whole.ts'
import { ProofPlan } from './proof-plan.ts'

/** A whole proof may take this long. */
const PROOF_MS = 60_000
/** What a tag stands for is looked up again after this time. */
const IDENTITY_MS = 30_000
/** Backends that were looked at, at the most; names come from name services. */
const MOST_NAMES = 1_000

/** Whether a backend can go on from a half answer, as far as it is known. */
export type CanContinue = 'yes' | 'no' | 'unproven'

/** What it is made with. */
export interface ContinuationsDeps {
  readonly runtime: Runtime
  readonly provables: () => readonly Provable[]
  /** Whether calls wait for a slot: then a proof that nobody waits for gives way. */
  readonly isBusy: () => boolean
}

/**
 * Knows which backend can go on from a half answer of which model, and finds it out: in the background once a model has
 * answered and its backend is idle, or at once when a stream has broken and a lease is in hand. A verdict holds for one
 * backend, one digest, one version of Ollama and one way to think.
 */
export class Continuations {
  readonly #deps: ContinuationsDeps
  readonly #verdicts: ContinuationVerdicts
  readonly #lookedAtMs = new BoundedMap<string, number>(MOST_NAMES)
  readonly #plan: ProofPlan
  readonly #closing = new AbortController()

  constructor(deps: ContinuationsDeps) {
    this.#deps = deps
    this.#verdicts = new ContinuationVerdicts(deps.runtime.clock)
    this.#plan = new ProofPlan(deps.runtime)
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
    const provable = this.#find(backend)
    if (provable === undefined || this.#closing.signal.aborted || this.#verdict(provable, call) !== undefined) return
    this.#plan.answered(keyOf(backend, call), () => void this.#proveIdle(provable, call))
  }

  /** Digest of the model there when the backend was last seen. */
  digestOf(backend: string, model: string): string | undefined {
    return this.#find(backend)?.backend.digests.get(model)
  }

  /** Whether anybody may be able to go on from an answer to this call; asks nobody. */
  isPossible(call: Call): boolean {
    return this.#deps.provables().some((provable) => {
      const mode = this.#verdict(provable, call)
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
    const mode = this.#verdict(provable, call)
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
   * @returns how to go on there; `none` when that is not possible. Rejects with an `AttemptFailure` when the backend does
   *   not answer, as the attempt itself would have.
   */
  async prepare(lease: Lease, call: Call, from: ContinueFrom, signal: AbortSignal): Promise<ContinuationMode> {
    const provable = this.#find(lease.backend.name)
    if (provable === undefined) return 'none'
    await this.#refresh(provable, call.model, signal)
    if (this.canContinue(lease.backend, call, from) === 'unproven') {
      const failure = await this.#prove(provable, call, lease, AbortSignal.any([signal, this.#closing.signal]))
      signal.throwIfAborted()
      if (failure !== undefined) throw judged(failure, lease.backend.name, call.model)
    }
    const mode = this.#verdict(provable, call)
    return mode !== undefined && this.canContinue(lease.backend, call, from) === 'yes' ? mode : 'none'
  }

  /**
   * A stream has broken: finds out which backends have the same model, where that is not known yet. Never rejects but
   * with the reason of the signal.
   */
  async lookAround(model: string, signal: AbortSignal): Promise<void> {
    const unknown = this.#deps.provables().filter(({ backend }) => !backend.digests.has(model))
    if (unknown.length > 0) await abortable(Promise.all(unknown.map(({ recheck }) => recheck())), signal)
  }

  /** It did not go on although it was proven. */
  refute(backend: string, call: Call): void {
    const provable = this.#find(backend)
    if (provable !== undefined) this.#judge(provable, call, 'none')
  }

  /** Ends what runs; nothing new begins. */
  close(): void {
    this.#closing.abort(new DOMException('closed', 'AbortError'))
    this.#plan.close()
  }

  /** A proof that nobody waits for: only on an idle backend with the model in memory, and given up for any call. */
  async #proveIdle(provable: Provable, call: Call): Promise<void> {
    const { backend } = provable
    const { model } = call
    if (this.#deps.isBusy() || backend.slots.held > 0 || backend.breaker.state !== 'closed') return
    if (backend.models.residency(model, this.#nowMs()) !== 'in-memory') return
    await provable.recheck()
    // Meanwhile a call may have come, or the model turned out to be known already.
    if (this.#closing.signal.aborted || this.#verdict(provable, call) !== undefined) return
    if (this.#deps.isBusy() || backend.slots.held > 0 || provable.identityOf(model) === undefined) return
    if (!this.#deps.provables().includes(provable) || !backend.isUsable(model, false)) return
    if (backend.readiness(model) !== 'ready') return
    const lease = backend.lease(model)
    try {
      const failure = await this.#prove(provable, call, lease, this.#closing.signal, () => this.#deps.isBusy())
      if (failure === undefined) lease.firstToken()
    } finally {
      lease.end({ kind: 'left' })
    }
  }

  /**
   * Finds out and remembers how the model goes on there. A proof that gives way does so between two of its requests: each
   * is short.
   *
   * @returns what went wrong when it could not be found out.
   */
  async #prove(
    provable: Provable,
    call: Call,
    { loadedWith }: Lease,
    signal: AbortSignal,
    givesWay = (): boolean => false,
  ): Promise<Failure | undefined> {
    const { model } = call
    const endsAtMs = this.#nowMs() + PROOF_MS
    const ask: Ask = async (path, body) => {
      if (givesWay()) throw new Error('a call waits')
      return await provable.ask(endsAtMs - this.#nowMs(), signal)(path, body)
    }
    try {
      const mode = await proveContinuation(ask, (call.latest?.(loadedWith) ?? call).request)
      await this.#refresh(provable, model, signal)
      this.#judge(provable, call, mode)
      return undefined
    } catch (error) {
      this.#plan.failed(keyOf(provable.backend.name, call))
      if (error instanceof RequestBroken) return error.failure
      // An answer that is no JSON, or a proof that gave way.
      return { kind: 'bad-line', gotToken: false }
    }
  }

  /** What was looked up long ago, or in vain, is looked up again. */
  async #refresh(provable: Provable, model: string, signal: AbortSignal): Promise<void> {
    const knownAtMs = provable.identityOf(model)?.atMs ?? Number.NEGATIVE_INFINITY
    if (this.#nowMs() - knownAtMs > IDENTITY_MS) await abortable(provable.recheck(), signal)
  }

  #judge({ backend, identityOf }: Provable, call: Call, mode: ContinuationMode): void {
    const identity = identityOf(call.model)
    if (identity === undefined) return
    this.#verdicts.set(backend.name, call, identity, mode)
    this.#plan.succeeded(keyOf(backend.name, call))
  }

  /** What is proven of the model as it is there now. */
  #verdict({ backend, identityOf }: Provable, call: Call): ContinuationMode | undefined {
    return this.#verdicts.of(backend.name, call, identityOf(call.model))
  }

  #find(backend: string): Provable | undefined {
    return this.#deps.provables().find((provable) => provable.backend.name === backend)
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}

function judged(failure: Failure, backend: string, model: string): AttemptFailure {
  return new AttemptFailure(classify(failure, { backend, model }), backend)
}
