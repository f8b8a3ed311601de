import { BoundedMap } from './backends/bounded-map.ts'

type Options = Readonly<Record<string, unknown>>

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
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

/** What one model is loaded with. */
interface Canonical {
  /** The largest asked for; as long as nothing above the default was, whoever named none keeps the default. */
  numCtx: number | undefined
  /** What it was before it last grew; `undefined` once that was taken back. */
  before: { readonly numCtx: number | undefined } | undefined
  /** From here on it did not fit into memory; who wants that gets it, or its error, alone. */
  tooLargeCtx: number
  /** Somebody named no `num_ctx`. */
  usesDefault: boolean
  readonly others: Record<string, unknown>
}

/**
 * One set of load-relevant options per model, so that callers who name different ones do not make Ollama reload the model
 * in turns. Of each option the first value named counts; `num_ctx` grows to the largest, as a prompt must fit.
 */
export class LoadOptions {
  readonly #byModel = new BoundedMap<string, Canonical>(MOST_MODELS)

  /** What a request for this model is sent with, given what its caller named; learns from it. */
  unify(model: string, named: Options | undefined): Options | undefined {
    const canonical = this.#canonicalOf(model)
    learn(canonical, named ?? {})
    const printed = print(canonical)
    const own = Object.entries(named ?? {}).filter(([name, value]) => !isUnified(name, value, canonical))
    if (Object.keys(printed).length === 0 && own.length === Object.keys(named ?? {}).length) return named
    return { ...printed, ...Object.fromEntries(own) }
  }

  /** What this model is loaded with. */
  of(model: string): Options {
    const canonical = this.#byModel.get(model)
    return canonical === undefined ? {} : print(canonical)
  }

  /** Memory did not suffice for it: its context is what it was before it last grew. */
  tooLarge(model: string): void {
    const canonical = this.#byModel.get(model)
    // Of many calls that fail together only the first one is news.
    if (canonical?.numCtx === undefined || canonical.before === undefined) return
    canonical.tooLargeCtx = canonical.numCtx
    canonical.numCtx = canonical.before.numCtx
    canonical.before = undefined
  }

  #canonicalOf(model: string): Canonical {
    const known = this.#byModel.get(model)
    if (known !== undefined) return known
    const fresh: Canonical = {
      numCtx: undefined,
      before: undefined,
      tooLargeCtx: Number.POSITIVE_INFINITY,
      usesDefault: false,
      others: {},
    }
    this.#byModel.set(model, fresh)
    return fresh
  }
}

function learn(canonical: Canonical, named: Options): void {
  const numCtx = named['num_ctx']
  if (!isContextSize(numCtx)) canonical.usesDefault = true
  else if (numCtx < canonical.tooLargeCtx && numCtx > (canonical.numCtx ?? 0)) {
    canonical.before = { numCtx: canonical.numCtx }
    canonical.numCtx = numCtx
  }
  for (const name of LOAD_OPTIONS) {
    const value = named[name]
    if (isPlain(value) && !Object.hasOwn(canonical.others, name)) canonical.others[name] = value
  }
}

function print({ numCtx, usesDefault, others }: Canonical): Options {
  const isDefault = numCtx === undefined || (usesDefault && numCtx <= SMALLEST_DEFAULT_CTX)
  return isDefault ? { ...others } : { ...others, num_ctx: numCtx }
}

/** Ollama refuses what has another type; that is the caller's mistake, and the caller is told. */
function isUnified(name: string, value: unknown, { tooLargeCtx }: Canonical): boolean {
  if (name === 'num_ctx') return value === null || (typeof value === 'number' && value < tooLargeCtx)
  return (LOAD_OPTIONS as readonly string[]).includes(name) && (isPlain(value) || value === null)
}

function isContextSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0
}

function isPlain(value: unknown): value is number | boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isInteger(value))
}
