import type { Config } from '../config/config.ts'
import type { Connection } from '../connection.ts'
import type { LoadOptions } from '../load-options.ts'
import { classify } from '../outcome/classify.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { BackendWatcher } from './attendants.ts'
import type { Backend } from './backend.ts'
import type { HealthCache } from './health.ts'
import { lookIntoMemory } from './memory-look.ts'
import { sendSingle } from './single-request.ts'
import type { SingleRequest } from './single-request.ts'

/** Between two looks at the health, give or take a tenth. */
const LOOK_MS = 30_000
const LOOK_JITTER = 0.1
/** After a look that failed, and while the backend is suspect. */
const LOOK_AGAIN_MS = 5_000
/** Work in flight without a token for this long is asked about, or half the longest silence if that is more. */
const SILENT_MS = 30_000
const SILENT_SHARE = 1 / 2
/** A canary may take this long, or a third of the longest silence if that is more. */
const CANARY_MS = 20_000
const CANARY_SHARE = 1 / 3
/** A wedged backend is asked again after 5, 10, 20 … 60 s. */
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 60_000

/** What a watcher is made with. */
export interface WatcherDeps {
  readonly backend: Backend
  readonly connection: Connection
  readonly health: Pick<HealthCache, 'health'>
  readonly runtime: Runtime
  readonly limits: Pick<Config, 'timeoutMs' | 'structuredTimeoutMs'>
  readonly loadOptions: Pick<LoadOptions, 'of'>
  /** Whether a call for this model could go to another backend. */
  readonly hasOther: (model: string) => boolean
}

/**
 * Finds out whether one backend is alive: by tokens as long as they come, by a one-token question (a canary) when work is
 * in flight and none comes, and by looks at its health, which prove little (F3). It begins with the first call, sets no
 * timer per call, and keeps no process alive.
 */
export class Watcher implements BackendWatcher {
  readonly #deps: WatcherDeps
  #look: Timer | undefined
  #isLooking = false
  #silence: Timer | undefined
  #recheck: Timer | undefined
  #canary: SingleRequest | undefined
  #closed = false

  constructor(deps: WatcherDeps) {
    this.#deps = deps
  }

  leased(): void {
    if (this.#closed) return
    if (this.#look === undefined && !this.#isLooking) this.#lookAfter(this.#strayed(LOOK_MS))
    if (this.#silence === undefined) this.#listenFor(this.#silentLimitMs())
  }

  suspects(): void {
    const { backend } = this.#deps
    const model = backend.models.inMemory(this.#nowMs())
    if (model !== undefined) return void this.#ask(model, 'OVERLOADED')
    backend.liveness.suspectedBySigns(this.#nowMs())
    backend.changed()
  }

  close(): void {
    this.#closed = true
    this.#look?.cancel()
    this.#silence?.cancel()
    this.#recheck?.cancel()
    this.#canary?.cancel()
  }

  #listenFor(delayMs: number): void {
    this.#silence = this.#deps.runtime.timers.set(delayMs, () => void this.#onSilence(), 'background')
  }

  async #onSilence(): Promise<void> {
    const { liveness, models, loader } = this.#deps.backend
    const nowMs = this.#nowMs()
    if (liveness.busySinceMs === undefined) {
      // The next call begins anew.
      this.#silence = undefined
      return
    }
    const leftMs = this.#silentLimitMs() - liveness.silentMs(nowMs)
    if (leftMs >= 1) return this.#listenFor(leftMs)
    // While it loads one model, another one may be thrown out for it, and a canary would wait behind the load.
    const model = loader?.current === undefined ? models.inMemory(nowMs) : undefined
    if (model !== undefined && liveness.wedged === undefined) await this.#askIfLoaded(model)
    if (!this.#closed) this.#listenFor(Math.max(SILENT_MS, this.#silentLimitMs() - liveness.silentMs(this.#nowMs())))
  }

  /**
   * The same, if it is still in memory: what was believed to be there may have been thrown out for another model, and be
   * loading again for the call that is silent. Then the silence is a load, not a wedge.
   */
  async #askIfLoaded(model: string): Promise<void> {
    const { backend, connection, runtime } = this.#deps
    await lookIntoMemory(backend, model, connection.calls, runtime)
    if (this.#closed) return
    const residency = backend.models.residency(model, this.#nowMs())
    if (residency !== 'absent' && residency !== 'loading') await this.#ask(model, 'RESPONSE_TIMEOUT')
  }

  /** Asks for one token of a model that is in memory; a canary never loads one. */
  async #ask(model: string, why: 'RESPONSE_TIMEOUT' | 'OVERLOADED'): Promise<void> {
    if (this.#canary !== undefined) return
    const { backend, connection, runtime, loadOptions } = this.#deps
    const body = {
      model,
      messages: [{ role: 'user', content: 'Hi' }],
      stream: false,
      // What calls there were sent with: with other options it would wait until all of them have ended.
      options: { ...(backend.loadedWith(model) ?? loadOptions.of(model)), num_predict: 1 },
    }
    const sentAtMs = this.#nowMs()
    this.#canary = sendSingle(connection, body, this.#patienceMs(CANARY_MS, CANARY_SHARE), runtime)
    const failure = await this.#canary.failure
    this.#canary = undefined
    if (this.#closed) return
    const { liveness } = backend
    if (failure === undefined) return this.#alive()
    if (liveness.tokenAtMs >= sentAtMs) return
    const { error } = classify(failure, { backend: backend.name, model })
    // Any other failure is one that calls find out about themselves.
    if (failure.kind === 'silence' || error.code === why) this.#wedged(model, failure.kind === 'silence')
    else if (liveness.wedged !== undefined) this.#recheckAfter(model, this.#nowMs() - liveness.wedged.sinceMs)
  }

  #alive(): void {
    const { backend } = this.#deps
    const { liveness } = backend
    const wasOut = liveness.wedged !== undefined || backend.suspect !== undefined
    liveness.token(this.#nowMs())
    if (wasOut) backend.changed()
  }

  #wedged(model: string, isSilent: boolean): void {
    const { backend, hasOther } = this.#deps
    const { liveness } = backend
    const nowMs = this.#nowMs()
    if (liveness.wedged !== undefined) return this.#recheckAfter(model, nowMs - liveness.wedged.sinceMs)
    const silentMs = liveness.silentMs(nowMs)
    liveness.foundWedged(
      isSilent ? 'it does not answer a question for one token' : 'it refuses even a question for one token',
      nowMs,
    )
    backend.changed()
    liveness.giveUpTokenless(silentMs, hasOther)
    this.#recheckAfter(model, FIRST_PAUSE_MS)
  }

  #recheckAfter(model: string, pauseMs: number): void {
    const delayMs = Math.min(Math.max(pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS)
    this.#recheck?.cancel()
    this.#recheck = this.#deps.runtime.timers.set(delayMs, () => void this.#askAgain(model), 'background')
  }

  async #askAgain(model: string): Promise<void> {
    const { backend, connection, runtime } = this.#deps
    const { liveness, models } = backend
    // A token came in the meantime, or it restarted.
    if (liveness.wedged === undefined) return backend.changed()
    await lookIntoMemory(backend, model, connection.calls, runtime)
    if (this.#closed) return
    if (models.residency(model, this.#nowMs()) !== 'absent') return this.#ask(model, 'OVERLOADED')
    // Whatever held the model is gone, so what was stuck is: a load will tell.
    liveness.restarted()
    backend.changed()
  }

  #lookAfter(delayMs: number): void {
    this.#look = this.#deps.runtime.timers.set(delayMs, () => void this.#lookAtHealth(), 'background')
  }

  async #lookAtHealth(): Promise<void> {
    const { backend, health } = this.#deps
    this.#look = undefined
    this.#isLooking = true
    const found = await health.health(true)
    if (this.#closed) return
    const { reachable } = found.health
    const nowMs = this.#nowMs()
    if (!reachable && nowMs - backend.liveness.tokenAtMs >= LOOK_MS) backend.models.forget()
    if (backend.liveness.probed(reachable, nowMs)) backend.changed()
    // Only now: a call that begins because of what was found would begin looks of its own.
    this.#isLooking = false
    this.#lookAfter(this.#strayed(reachable ? LOOK_MS : LOOK_AGAIN_MS))
  }

  #silentLimitMs(): number {
    return this.#patienceMs(SILENT_MS, SILENT_SHARE)
  }

  /** An operator who allows long silences has slow machines. */
  #patienceMs(leastMs: number, share: number): number {
    const { backend, limits } = this.#deps
    const quietMs = backend.liveness.mayBeQuiet
      ? Math.max(limits.structuredTimeoutMs, limits.timeoutMs)
      : limits.timeoutMs
    return Math.max(leastMs, quietMs * share)
  }

  #strayed(ms: number): number {
    return ms * (1 + LOOK_JITTER * (2 * this.#deps.runtime.random.next() - 1))
  }

  #nowMs(): number {
    return this.#deps.runtime.clock.monotonicMs()
  }
}
