import { BoundedMap } from './backends/bounded-map.ts'
import type { Clock } from './runtime/runtime.ts'

/** Options by name; of what a model is loaded with the same object as long as it stays the same. */
export type Options = Readonly<Record<string, unknown>>

/** What a model is loaded with as long as nobody names an option. */
export const NO_OPTIONS: Options = Object.freeze({})
/**
 * Options that Ollama applies when it loads a model: it reloads the model when a request names other values than the
 * one before (`needsReload` of its scheduler compares exactly these; F31 of the reliability reference). The last four
 * exist in older versions only.
 */
export const LOAD_OPTIONS = [
  'num_batch',
  'num_gpu',
  'main_gpu',
  'use_mmap',
  'num_thread',
  'use_mlock',
  'low_vram',
  'numa',
  'f16_kv',
] as const
/** The context that a request gets which names none, at least; with much memory Ollama takes more. */
const SMALLEST_DEFAULT_CTX = 4_096
/** llama.cpp counts in 32 bits. */
const MOST_OF_AN_OPTION = 2 ** 31 - 1
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000
/** A context for which memory did not suffice is tried once more after so long: whatever took the memory may be gone. */
const AGAIN_MS = 600_000

/** What one model is loaded with. */
interface Canonical {
  /** The largest asked for; as long as nothing above the default was, whoever named none keeps the default. */
  numCtx: number | undefined
  /** It was needed for a prompt: then it is named, however small it is. */
  isNeeded: boolean
  /** What it was before it last grew; `undefined` once that was taken back. */
  before: { readonly numCtx: number | undefined; readonly isNeeded: boolean; readonly printed: Options } | undefined
  /** From here on it did not fit into memory; who wants that gets it, or its error, alone. */
  tooLargeCtx: number
  /** From then on it is tried again where a prompt needs it, on the monotonic clock. */
  againAtMs: number
  /** It has been. */
  wasTriedAgain: boolean
  /** Somebody named no `num_ctx`. */
  usesDefault: boolean
  readonly others: Record<string, unknown>
  /** All that, as it goes into a request. */
  printed: Options
}

/**
 * One set of load-relevant options per model, so that callers who name different ones do not make Ollama reload the model
 * in turns. Of each option the first value named counts; `num_ctx` grows to the largest, as a prompt must fit, whether a
 * caller named it or a prompt needed it.
 */
export class LoadOptions {
  readonly #byModel = new BoundedMap<string, Canonical>(MOST_MODELS)
  readonly #clock: Pick<Clock, 'monotonicMs'>

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** What a request for this model is sent with, given what its caller named; learns from it. */
  unify(model: string, named: Options | undefined): Options | undefined {
    const canonical = this.#canonicalOf(model)
    learn(canonical, named ?? {})
    return this.merge(model, canonical.printed, named)
  }

  /** What a request is sent with to where the model is loaded with that, given what its caller named. */
  merge(model: string, loadedWith: Options, named: Options | undefined): Options | undefined {
    const tooLargeCtx = this.tooLargeFor(model)
    const own = Object.entries(named ?? {}).filter(([name, value]) => !isUnified(name, value, tooLargeCtx))
    if (Object.keys(loadedWith).length === 0 && own.length === Object.keys(named ?? {}).length) return named
    return { ...loadedWith, ...Object.fromEntries(own) }
  }

  /** What this model is loaded with: another object whenever it has changed, and what was printed before is out of date. */
  of(model: string): Options {
    return this.#byModel.get(model)?.printed ?? NO_OPTIONS
  }

  /** From this context on memory did not suffice. @returns infinity as long as it always did */
  tooLargeFor(model: string): number {
    return this.#byModel.get(model)?.tooLargeCtx ?? Number.POSITIVE_INFINITY
  }

  /**
   * A prompt needs a context of so many tokens: from now on all calls of the model get one, unless they have it.
   *
   * @returns whether it grew; not where memory did not suffice for that much.
   */
  grow(model: string, numCtx: number): boolean {
    const canonical = this.#canonicalOf(model)
    if (numCtx >= canonical.tooLargeCtx && this.#clock.monotonicMs() >= canonical.againAtMs) {
      canonical.tooLargeCtx = Number.POSITIVE_INFINITY
      canonical.wasTriedAgain = true
    }
    if (numCtx >= canonical.tooLargeCtx || (canonical.isNeeded && numCtx <= (canonical.numCtx ?? 0))) return false
    growTo(canonical, Math.max(numCtx, canonical.numCtx ?? 0), true)
    return true
  }

  /**
   * Memory did not suffice for it: its context is what it was before it last grew.
   *
   * @param loadedWith what it was asked for with.
   * @returns whether it is asked for with something else now, and may fit.
   */
  tooLarge(model: string, loadedWith: Options): boolean {
    // Of many calls that fail together only the first one is news.
    if (loadedWith !== this.of(model)) return true
    const canonical = this.#byModel.get(model)
    if (canonical?.numCtx === undefined || canonical.before === undefined) return false
    canonical.tooLargeCtx = canonical.numCtx
    canonical.againAtMs = canonical.wasTriedAgain ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() + AGAIN_MS
    canonical.numCtx = canonical.before.numCtx
    canonical.isNeeded = canonical.before.isNeeded
    reprint(canonical)
    canonical.before = undefined
    return true
  }

  /** There are other backends now: memory may suffice for what was too large before. */
  backendsChanged(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const canonical of this.#byModel.values()) {
      canonical.againAtMs = Math.min(canonical.againAtMs, nowMs)
      canonical.wasTriedAgain = false
    }
  }

  #canonicalOf(model: string): Canonical {
    const known = this.#byModel.get(model)
    if (known !== undefined) return known
    const fresh: Canonical = {
      numCtx: undefined,
      isNeeded: false,
      before: undefined,
      tooLargeCtx: Number.POSITIVE_INFINITY,
      againAtMs: Number.POSITIVE_INFINITY,
      wasTriedAgain: false,
      usesDefault: false,
      others: {},
      printed: NO_OPTIONS,
    }
    this.#byModel.set(model, fresh)
    return fresh
  }
}

function learn(canonical: Canonical, named: Options): void {
  const numCtx = named['num_ctx']
  if (!isContextSize(numCtx)) {
    if (!canonical.usesDefault) {
      canonical.usesDefault = true
      reprint(canonical)
    }
  } else if (numCtx < canonical.tooLargeCtx && numCtx > (canonical.numCtx ?? 0)) {
    growTo(canonical, numCtx, canonical.isNeeded)
  }
  for (const name of LOAD_OPTIONS) {
    const value = named[name]
    if (!isPlain(value) || Object.hasOwn(canonical.others, name)) continue
    canonical.others[name] = value
    reprint(canonical)
  }
}

function growTo(canonical: Canonical, numCtx: number, isNeeded: boolean): void {
  const { numCtx: hadCtx, isNeeded: wasNeeded, printed } = canonical
  canonical.before = { numCtx: hadCtx, isNeeded: wasNeeded, printed }
  canonical.numCtx = numCtx
  canonical.isNeeded = isNeeded
  reprint(canonical)
}

/** Not every change is one of what it is loaded with; and where that is again what it was, no call has to be waited for. */
function reprint(canonical: Canonical): void {
  const printed = print(canonical)
  const text = JSON.stringify(printed)
  const known = [canonical.printed, canonical.before?.printed, NO_OPTIONS]
  canonical.printed = known.find((options) => JSON.stringify(options) === text) ?? printed
}

function print({ numCtx, isNeeded, usesDefault, others }: Canonical): Options {
  const isDefault = numCtx === undefined || (!isNeeded && usesDefault && numCtx <= SMALLEST_DEFAULT_CTX)
  return isDefault ? { ...others } : { ...others, num_ctx: numCtx }
}

/** Ollama refuses what has another type; that is the caller's mistake, and the caller is told. */
function isUnified(name: string, value: unknown, tooLargeCtx: number): boolean {
  if (name === 'num_ctx') return value === null || (typeof value === 'number' && value < tooLargeCtx)
  return (LOAD_OPTIONS as readonly string[]).includes(name) && (isPlain(value) || value === null)
}

function isContextSize(value: unknown): value is number {
  return isWhole(value) && value > 0
}

/** A larger one turns into another number on its way into Ollama, and would do so for all callers. */
function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= MOST_OF_AN_OPTION
}

function isPlain(value: unknown): value is number | boolean {
  return typeof value === 'boolean' || isWhole(value)
}
