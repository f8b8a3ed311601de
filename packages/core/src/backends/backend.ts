import type { BreakerStatus } from '@surefoot/protocol'

import type { Config } from '../config/config.ts'
import { backendName } from '../config/backend-url.ts'
import { NO_OPTIONS } from '../load-options.ts'
import type { Options } from '../load-options.ts'
import type { Verdict } from '../outcome/verdict.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { BoundedMap } from './bounded-map.ts'
import { Breaker } from './breaker.ts'
import { breakerOutcome } from './breaker-outcome.ts'
import { GpuUse } from './gpu-use.ts'
import type { AttemptEnd, Lease } from './lease.ts'
import { Liveness } from './liveness.ts'
import type { AttemptHooks, Finding } from './liveness.ts'
import type { BackendWatcher, ModelLoader } from './attendants.ts'
import type { LoadProgress } from './loader.ts'
import { isCloudModel } from './model-lists.ts'
import { ModelStates } from './model-state.ts'
import type { Readiness } from './model-state.ts'
import { Pace } from './pace.ts'
import { Slots } from './slots.ts'
import { ZombieSlots } from './zombie-slots.ts'

/** How long a backend that lacked a model is not asked for it, unless a look at its list shows the model sooner. */
const MISSING_MS = 30_000
/** Models whose load options are remembered; names come from callers. */
const MOST_MODELS = 1_000
/** After so much silence the calls in flight may hang, and one more would hang with them. */
const TRIAL_SILENT_MS = 5_000

/** One Ollama as Surefoot sees it: its breaker, slots and models. Leases alone change them. */
export class Backend {
  /** Its URL without credentials; its name everywhere. */
  readonly name: string
  readonly url: string
  readonly breaker: Breaker
  readonly slots: Slots
  readonly zombies: ZombieSlots
  readonly pace: Pace = new Pace()
  /** What the tags of its models stood for when its list was last read. */
  digests: ReadonlyMap<string, string> = new Map()
  readonly models: ModelStates = new ModelStates()
  readonly liveness: Liveness = new Liveness()
  readonly gpu: GpuUse = new GpuUse()
  readonly attempts = { succeeded: 0, failed: 0, neutral: 0 }
  /** What each model was last asked for with, by a call or by a load. */
  readonly #loadedWith = new BoundedMap<string, Options>(MOST_MODELS)
  readonly #waitForReadyMs: number
  readonly #runtime: Runtime
  readonly #telemetry: Telemetry
  /** Why it was last said to be out. */
  #out: Finding | undefined
  readonly #listeners = new Set<() => void>()
  /** Orders backends by last use, so that equals take turns. */
  lastLeaseAt = 0
  /** Without one, models are loaded by whichever call comes first. */
  loader: ModelLoader | undefined
  watcher: BackendWatcher | undefined
  #draining = false

  constructor(url: string, config: Config, runtime: Runtime, telemetry: Telemetry) {
    this.url = url
    this.name = backendName(url)
    this.#waitForReadyMs = config.waitForReadyMs
    this.#runtime = runtime
    this.#telemetry = telemetry
    this.zombies = new ZombieSlots(runtime, () => this.changed())
    this.slots = new Slots(config.slots, config.poolMaxSize)
    const options = {
      threshold: config.breakerThreshold,
      openMs: config.breakerOpenMs,
      earlyClose: config.earlyClose,
    }
    this.breaker = new Breaker(options, this.#now(), (change) => {
      const { state, ...told } = change
      telemetry.emit({ type: `breaker-${state}`, backend: this.name, ...told })
      this.changed()
    })
  }

  /** Calls back whenever a slot or the breaker changed: what was impossible may be possible now. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells whoever listens that something is possible now that was not before. */
  changed(): void {
    this.#tellWhetherOut()
    for (const listener of this.#listeners) listener()
  }

  /** It takes no new work, by order. */
  get draining(): boolean {
    return this.#draining
  }

  set draining(draining: boolean) {
    this.#draining = draining
    this.changed()
  }

  /** Until when it is waited for though it is down; `undefined` while it is not, or may be asked whether it still is. */
  get waitedForUntilMs(): number | undefined {
    const { downSinceMs } = this.breaker
    const isDown = downSinceMs !== undefined && !this.breaker.admits(this.#now(), false)
    const sinceMs = this.liveness.wedged?.sinceMs ?? (isDown ? downSinceMs : undefined)
    return sinceMs === undefined ? undefined : sinceMs + this.#waitForReadyMs
  }

  /** It has been down for longer than any call waits for it. */
  get isGivenUp(): boolean {
    return (this.waitedForUntilMs ?? Number.POSITIVE_INFINITY) <= this.#now()
  }

  /** It may not answer: used when there is no better one. */
  get suspect(): Finding | undefined {
    return this.liveness.suspect(this.#now())
  }

  /** When it is no longer suspect by time alone; `undefined` when it is not, or other than time decides. */
  get suspectUntilMs(): number | undefined {
    return this.liveness.suspectUntilMs(this.#now())
  }

  /** Whether an attempt for this model could be admitted, a free slot aside. */
  isUsable(model: string, isLast: boolean): boolean {
    if (this.#draining || this.liveness.wedged !== undefined) return false
    const nowMs = this.#now()
    return this.breaker.admits(nowMs, isLast) && this.models.avoided(model, nowMs, isLast) === undefined
  }

  /** When it may be usable again; `undefined` when that depends on something else than time. */
  usableAtMs(model: string, isLast: boolean): number | undefined {
    const times = [this.breaker.nextProbeMs(isLast), this.models.avoided(model, this.#now(), isLast)?.untilMs]
    return times.reduce((latest, time) => (time === undefined ? latest : Math.max(latest ?? 0, time)), undefined)
  }

  /** Whether an attempt for this model can begin at once, or its model has to be looked for or loaded first. */
  readiness(model: string): Readiness {
    if (this.loader === undefined) return 'ready'
    if (this.loader.loading(model) !== undefined) return 'loading'
    const isOutgrown = this.#isOutgrown(model, this.loader)
    // In Ollama a load waits until they have ended; and those of them that reach it later would bring back what they name.
    if (isOutgrown && this.slots.heldBy(model) > 0) return 'outgrown'
    const readiness = this.models.readiness(model, this.#now())
    return isOutgrown && readiness === 'ready' ? 'absent' : readiness
  }

  /** What the model was last asked for with; `undefined` when it was not. */
  loadedWith(model: string): Options | undefined {
    return this.#loadedWith.get(model)
  }

  /** The model is asked for with that, which is what it is then loaded with. */
  askedFor(model: string, loadedWith: Options): void {
    if (this.#loadedWith.get(model) !== loadedWith) this.#loadedWith.set(model, loadedWith)
  }

  /** Whether one call more than is known to be served may be sent: not beside answers that have stopped. */
  mayTry(model: string): boolean {
    const nowMs = this.#now()
    return this.slots.mayTry(model, nowMs) && this.liveness.silentMs(nowMs) <= TRIAL_SILENT_MS
  }

  /** The load of this model under way. */
  loading(model: string): LoadProgress | undefined {
    return this.loader?.loading(model)
  }

  /** How long a load of this model takes here, in milliseconds; `undefined` until one was seen. */
  expectedLoadMs(model: string): number | undefined {
    return this.loader?.expectedMs(model)
  }

  /** Looks for the model, or loads it; idempotent. Listeners are told when `readiness` may have changed. */
  want(model: string): void {
    this.loader?.want(model)
  }

  /** Takes slot and permit; only after `isUsable` and a free slot. */
  lease(model: string): Lease {
    const permit = this.breaker.admit(this.#now())
    const seat = this.slots.take(model, this.#now())
    const startedAtMs = this.#now()
    const loadedWith = this.loader?.loadOptions(model)
    if (loadedWith !== undefined) this.askedFor(model, loadedWith)
    this.lastLeaseAt = startedAtMs
    this.liveness.began(startedAtMs)
    this.watcher?.leased()
    let hooks: AttemptHooks | undefined
    let ended = false
    return {
      backend: this,
      model,
      loadedWith,
      residency: () => this.models.residency(model, this.#now()),
      queuedInside: () => seat.queuedInside,
      watch: (given) => {
        hooks = given
        this.liveness.watch(given)
      },
      firstToken: () => {
        const wasOut = this.liveness.wedged !== undefined || this.suspect !== undefined
        this.liveness.firstToken(this.#now(), hooks)
        seat.firstToken(this.#now())
        this.models.produced(model, this.#now())
        permit.firstToken(this.#now())
        // Whoever waits may be the one call more that finds out whether a further one is served.
        if (wasOut || this.mayTry(model)) this.changed()
      },
      end: (how) => {
        if (ended) return
        ended = true
        const { held } = this.slots
        if (how.kind === 'left' && how.staysTakenMs !== undefined) this.zombies.keep(seat, how.staysTakenMs)
        else seat.giveBack(this.#now())
        this.liveness.ended(this.#now(), hooks)
        if (how.kind === 'failed' && how.verdict.class === 'overload') {
          if (this.liveness.refused(this.#now() - startedAtMs, held)) this.watcher?.suspects()
        }
        this.#record(how, model, loadedWith)
        permit.end(breakerOutcome(how), this.#now(), how.kind === 'failed' ? how.verdict.error.code : '')
        this.changed()
      },
    }
  }

  /**
   * A load of ours failed. It is held against model and backend as a call's failure would be, and calls then find out for
   * themselves: so each gets the error that is its own.
   */
  loadFailed(model: string, verdict: Verdict, sinceMs: number): void {
    const nowMs = this.#now()
    this.#learn(verdict, model, this.#loadedWith.get(model))
    this.models.asked(model, nowMs)
    // It is no attempt and holds no permit, lest a probing load of minutes keep everybody away. What began before the
    // breaker last moved does not move it.
    const isHeld = breakerOutcome({ kind: 'failed', verdict }) === 'failure' && this.breaker.sinceMs <= sinceMs
    if (isHeld && this.breaker.admits(nowMs, false)) {
      this.breaker.admit(nowMs).end('failure', nowMs, verdict.error.code)
    }
  }

  /** It was away and answers again: whatever was in its memory is gone. */
  returned(): void {
    this.models.forget()
    // It may have come back with another OLLAMA_NUM_PARALLEL; that changes at no other time.
    this.slots.forget()
    this.liveness.restarted()
    this.breaker.returned(this.#now())
  }

  /** The model is in its list now. */
  forgiveMissing(model: string): void {
    if (this.models.avoided(model, this.#now(), false)?.error.code !== 'MODEL_NOT_FOUND') return
    this.models.forgive(model)
    this.changed()
  }

  /** The breaker as shown to people. */
  breakerStatus(isLast: boolean): BreakerStatus {
    const { state, failures, reason, sinceMs } = this.breaker
    const nextProbeMs = this.breaker.nextProbeMs(isLast)
    return {
      state,
      failures,
      sinceAtMs: this.epochMs(sinceMs),
      ...(reason !== undefined && { reason }),
      ...(nextProbeMs !== undefined && { nextProbeAtMs: this.epochMs(nextProbeMs) }),
    }
  }

  #record(how: AttemptEnd, model: string, loadedWith: Options | undefined): void {
    const outcome = breakerOutcome(how)
    this.attempts[outcome === 'success' ? 'succeeded' : outcome === 'failure' ? 'failed' : 'neutral']++
    if (how.kind === 'failed') this.#learn(how.verdict, model, loadedWith)
  }

  #learn(verdict: Verdict, model: string, loadedWith: Options | undefined): void {
    if (verdict.memoryLost !== undefined)
      this.models.lost(verdict.memoryLost === 'all' ? undefined : model, this.#now())
    // With the smaller context of before it fits again, so it need not be kept away.
    if (verdict.tooLarge === true && loadedWith !== undefined && this.loader?.tooLarge(model, loadedWith) === true)
      return
    if (verdict.class === 'missing') this.models.avoid(model, verdict.error, this.#now(), MISSING_MS)
    else if (verdict.avoidModelMs !== undefined) {
      this.models.avoid(model, verdict.error, this.#now(), verdict.avoidModelMs)
    }
  }

  /** It is to be loaded with something else than it was asked for with last. */
  #isOutgrown(model: string, loader: ModelLoader): boolean {
    const loadedWith = this.#loadedWith.get(model) ?? NO_OPTIONS
    return loadedWith !== loader.loadOptions(model) && !isCloudModel(model)
  }

  #now(): number {
    return this.#runtime.clock.monotonicMs()
  }

  #tellWhetherOut(): void {
    const { wedged } = this.liveness
    const out = wedged ?? this.suspect
    if (out === this.#out) return
    this.#out = out
    if (out === undefined) return this.#telemetry.emit({ type: 'backend-back', backend: this.name })
    const state = wedged === undefined ? 'suspect' : 'wedged'
    this.#telemetry.emit({ type: 'backend-out', backend: this.name, state, reason: out.reason })
  }

  /** An instant of the monotonic clock as one of the wall clock, for people. */
  epochMs(monotonicMs: number): number {
    return Math.round(this.#runtime.clock.nowMs() + monotonicMs - this.#now())
  }
}
