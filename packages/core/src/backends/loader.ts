import type { Connection } from '../connection.ts'
import type { LoadOptions, Options } from '../load-options.ts'
import { classify } from '../outcome/classify.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { ModelLoader } from './attendants.ts'
import type { Backend } from './backend.ts'
import { BoundedMap } from './bounded-map.ts'
import { lookIntoMemory } from './memory-look.ts'
import { sendSingle } from './single-request.ts'
import type { SingleRequest } from './single-request.ts'

/** Models whose time to load is remembered; names come from callers. */
const MOST_MODELS = 1_000
/** Weight of the latest load in the running mean. */
const MEAN_WEIGHT = 0.3

/** Calls wait so long for a look before they go and see for themselves: health routes may hang when nothing else does. */
const LOOK_MS = 250

/** A load that takes longer than this, and than twice as long as usual, may never end (F3). */
const OVERDUE_MS = 60_000
const OVERDUE_FACTOR = 2

/** A load under way. */
export interface LoadProgress {
  /** When it began, on the monotonic clock. */
  readonly sinceMs: number
  /** How long loads of this model took on this backend, in milliseconds; absent until one has ended. */
  readonly expectedMs?: number | undefined
  /** It takes so long that it is worth trying elsewhere as well. */
  readonly isOverdue: boolean
}

/** What a loader is made with. */
export interface LoaderDeps {
  readonly backend: Backend
  readonly connection: Connection
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  /** The longest a load may take, in milliseconds. */
  readonly loadTimeoutMs: number
  /** With which options a model is loaded: a load with others would only be followed by another one. */
  readonly loadOptions: Pick<LoadOptions, 'of' | 'tooLarge'>
}

/**
 * Brings models into the memory of one backend. A load belongs to the model and not to a caller (F5): it is one empty
 * request that this object owns, all who want the model wait for it, and no caller's abort reaches it. There is one at a
 * time on a backend, as Ollama loads one after the other anyway.
 */
export class Loader implements ModelLoader {
  readonly #deps: LoaderDeps
  /** The looks under way, each with the end of its time. */
  readonly #looking = new Map<string, Timer>()
  readonly #meanMs = new BoundedMap<string, number>(MOST_MODELS)
  #load:
    | { readonly model: string; readonly sinceMs: number; readonly request: SingleRequest; isOverdue: boolean }
    | undefined
  #closed = false

  constructor(deps: LoaderDeps) {
    this.#deps = deps
  }

  /** The load under way, whatever its model is. */
  get current(): { readonly model: string; readonly sinceMs: number } | undefined {
    return this.#load
  }

  /**
   * One step towards having the model in memory, if none is under way: a look where nothing is known, a load where it is
   * absent. The backend's listeners are told when the step has ended, and then ask again for the next one.
   */
  want(model: string): void {
    if (this.#closed) return
    const readiness = this.#deps.backend.readiness(model)
    if (readiness === 'unknown' && !this.#looking.has(model)) void this.#look(model)
    else if (readiness === 'absent' && this.#load === undefined) void this.#begin(model)
  }

  /** The load of this model under way. */
  loading(model: string): LoadProgress | undefined {
    if (this.#load?.model !== model) return undefined
    const { sinceMs, isOverdue } = this.#load
    return { sinceMs, expectedMs: this.#meanMs.get(model), isOverdue }
  }

  /** How long a load of this model takes here, in milliseconds; `undefined` until one has ended. */
  expectedMs(model: string): number | undefined {
    return this.#meanMs.get(model)
  }

  loadOptions(model: string): Options {
    return this.#deps.loadOptions.of(model)
  }

  tooLarge(model: string, loadedWith: Options): boolean {
    return this.#deps.loadOptions.tooLarge(model, loadedWith)
  }

  /** Cuts the load under way; nothing new is begun. */
  close(): void {
    this.#closed = true
    this.#load?.request.cancel()
    for (const timer of this.#looking.values()) timer.cancel()
  }

  async #look(model: string): Promise<void> {
    const { backend, connection, runtime } = this.#deps
    const tooLong = runtime.timers.set(LOOK_MS, () => {
      backend.models.asked(model, runtime.clock.monotonicMs())
      backend.changed()
    })
    this.#looking.set(model, tooLong)
    await lookIntoMemory(backend, model, connection.calls, runtime)
    tooLong.cancel()
    this.#looking.delete(model)
    if (!this.#closed) backend.changed()
  }

  async #begin(model: string): Promise<void> {
    const { backend, connection, runtime, loadTimeoutMs, loadOptions, telemetry } = this.#deps
    const sinceMs = runtime.clock.monotonicMs()
    const options = loadOptions.of(model)
    backend.askedFor(model, options)
    const body = { model, messages: [], stream: false, options }
    const request = sendSingle(connection, body, loadTimeoutMs, runtime)
    const load = { model, sinceMs, request, isOverdue: false }
    this.#load = load
    const usualMs = Math.max(OVERDUE_MS, OVERDUE_FACTOR * (this.#meanMs.get(model) ?? 0))
    const overdue = runtime.timers.set(
      usualMs,
      () => {
        load.isOverdue = true
        backend.changed()
      },
      'background',
    )
    const failure = await request.failure
    overdue.cancel()
    this.#load = undefined
    if (this.#closed) return
    const durationMs = runtime.clock.monotonicMs() - sinceMs
    const verdict = failure && classify(failure, { backend: backend.name, model })
    if (verdict === undefined) this.#loaded(model, durationMs)
    else backend.loadFailed(model, verdict, sinceMs)
    const problem = verdict?.error.message
    telemetry.emit({ type: 'load-end', backend: backend.name, model, durationMs, problem })
    backend.changed()
  }

  #loaded(model: string, tookMs: number): void {
    const { backend, runtime } = this.#deps
    const meanMs = this.#meanMs.get(model) ?? tookMs
    this.#meanMs.set(model, Math.round(meanMs + (tookMs - meanMs) * MEAN_WEIGHT))
    backend.models.loaded(model, runtime.clock.monotonicMs())
  }
}
