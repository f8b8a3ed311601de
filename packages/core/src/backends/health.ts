import type { BackendHealth } from '@surefoot/protocol'

import type { Runtime } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import { canonicalModel, loadedModelInfo, psSchema, tagsSchema, versionSchema } from './model-lists.ts'
import type { LoadedModel, TaggedModel } from './model-lists.ts'
import type { ShortCalls } from './short-calls.ts'

/** A list older than so many times to live is not shown any more, not even while a new one is fetched. */
const STALE_FACTOR = 2
/** When a caller asks for a model that is not in the list, a list older than this is read again first. */
const RECHECK_MS = 1_000

interface Known {
  readonly health: BackendHealth
  readonly tags: readonly TaggedModel[] | undefined
  readonly atMs: number
}

/** What a model's tag stands for on one backend. */
export interface Identity {
  readonly digest: string
  /** Of Ollama. */
  readonly version: string
  /** When this was found out, on the monotonic clock. */
  readonly atMs: number
}

/** What is asked about and how long an answer is kept. */
export interface HealthOptions {
  readonly model: string
  readonly ttlMs: number
}

/**
 * The health of one backend: found out at most once at a time, served from the cache for `ttlMs`, then once more while it
 * is found out anew. Says apart what is often taken for one: reachable, installed, in memory.
 */
export class HealthCache {
  readonly #backend: Backend
  readonly #calls: ShortCalls
  readonly #options: HealthOptions
  readonly #runtime: Runtime
  #known: Known | undefined
  #checking: Promise<Known> | undefined

  constructor(backend: Backend, calls: ShortCalls, options: HealthOptions, runtime: Runtime) {
    this.#backend = backend
    this.#calls = calls
    this.#options = options
    this.#runtime = runtime
  }

  /** What was last found out, unless a token has disproved it; asks nobody. */
  get last(): BackendHealth | undefined {
    return this.#known === undefined || this.#isDisproved(this.#known) ? undefined : this.#known.health
  }

  /** The installed models, as `/api/tags` lists them; `undefined` when the list could not be read. */
  async tags(force: boolean): Promise<readonly TaggedModel[] | undefined> {
    return (await this.#get(force)).tags
  }

  /** @param force asks the backend, whatever the cache says. */
  async health(force: boolean): Promise<{ readonly health: BackendHealth; readonly ageMs: number }> {
    const { health, atMs } = await this.#get(force)
    return { health, ageMs: Math.max(0, this.#nowMs() - atMs) }
  }

  /** Whether the last list lacks the model; false while there is none. Asks nobody. */
  lacks(model: string): boolean {
    return this.#known?.tags?.some(({ name }) => canonicalModel(name) === canonicalModel(model)) === false
  }

  /** The model as it was listed when the backend was last looked at; asks nobody. */
  tagged(model: string): TaggedModel | undefined {
    return this.#known?.tags?.find(({ name }) => canonicalModel(name) === canonicalModel(model))
  }

  /** What the model was when the backend was last looked at; asks nobody. */
  identityOf(model: string): Identity | undefined {
    const digest = this.#backend.digests.get(canonicalModel(model))
    const version = this.#known?.health.version
    return digest === undefined || version === undefined ? undefined : { digest, version, atMs: this.#known?.atMs ?? 0 }
  }

  /** Reads the list again if it is more than a second old, or could not be read. */
  async recheck(): Promise<void> {
    const { atMs, tags } = this.#known ?? {}
    if (atMs === undefined || tags === undefined || this.#nowMs() - atMs > RECHECK_MS) await this.#check()
  }

  async #get(force: boolean): Promise<Known> {
    const known = this.#known
    if (force || known === undefined || this.#isDisproved(known)) return await this.#check()
    const ageMs = this.#nowMs() - known.atMs
    if (ageMs <= this.#options.ttlMs) return known
    const checking = this.#check()
    return ageMs <= this.#options.ttlMs * STALE_FACTOR ? known : await checking
  }

  /** A token came from a backend that could not be reached before: then it can be now. */
  #isDisproved({ health, atMs }: Known): boolean {
    return !health.reachable && this.#backend.liveness.tokenAtMs > atMs
  }

  #check(): Promise<Known> {
    this.#checking ??= this.#findOut().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #findOut(): Promise<Known> {
    const url = this.#backend.name
    const startedAtMs = this.#nowMs()
    const version = await this.#read('/api/version', versionSchema)
    const latencyMs = Math.round((this.#nowMs() - startedAtMs) * 10) / 10
    const checkedAtMs = this.#runtime.clock.nowMs()
    if (!version.ok) {
      return this.#keep({ url, reachable: false, problem: cannotConnect(url), checkedAtMs }, undefined)
    }
    const [tags, ps] = await Promise.all([this.#read('/api/tags', tagsSchema), this.#read('/api/ps', psSchema)])
    const { model } = this.#options
    const installed = tags.ok ? tags.value.models.map(({ name }) => name) : undefined
    const inMemory = ps.ok ? ps.value.models.map(({ name }) => name) : undefined
    if (tags.ok) {
      this.#backend.digests = new Map(tags.value.models.map(({ name, digest }) => [canonicalModel(name), digest]))
    }
    if (ps.ok) this.#backend.gpu.observed(ps.value.models, this.#nowMs())
    const withAliases = ps.ok ? this.#namesOf(ps.value.models) : undefined
    this.#learn(withAliases, installed, startedAtMs)
    const problem = problemOf(url, this.#options.model, installed, inMemory)
    return this.#keep(
      {
        url,
        reachable: true,
        version: version.value.version,
        latencyMs,
        ...(installed !== undefined && { installed, modelInstalled: includes(installed, model) }),
        ...(inMemory !== undefined && { inMemory }),
        ...(withAliases !== undefined && { modelInMemory: includes(withAliases, model) }),
        ...(ps.ok && { loaded: ps.value.models.map(loadedModelInfo) }),
        ...(problem !== undefined && { problem }),
        checkedAtMs,
      },
      tags.ok ? tags.value.models : undefined,
    )
  }

  #keep(health: BackendHealth, tags: readonly TaggedModel[] | undefined): Known {
    this.#known = { health, tags, atMs: this.#nowMs() }
    return this.#known
  }

  /** With the other tags of what is listed: `/api/ps` names of one digest only the tag that was loaded. */
  #namesOf(loaded: readonly LoadedModel[]): string[] {
    const names = new Set(loaded.map(({ name }) => name))
    const canonical = new Set([...names].map(canonicalModel))
    const digests = new Set(loaded.map(({ digest }) => digest))
    for (const [name, digest] of this.#backend.digests) {
      if (digests.has(digest) && !canonical.has(name)) names.add(name)
    }
    return [...names]
  }

  #learn(inMemory: readonly string[] | undefined, installed: readonly string[] | undefined, sinceMs: number): void {
    const { models, slots, loader } = this.#backend
    // Calls, and so what is known of a model, go by the one name that it has.
    const model = canonicalModel(this.#options.model)
    if (installed !== undefined && includes(installed, model)) this.#backend.forgiveMissing(model)
    if (inMemory === undefined) return
    const listed = new Set(inMemory.map(canonicalModel))
    for (const known of [model, ...models.known]) {
      if (!listed.has(known)) models.observed(known, 'absent', this.#nowMs(), sinceMs)
    }
    // While a call or a load of ours is under way, a listed model may just be loading for it.
    if (slots.held > 0 || loader?.current !== undefined) return
    for (const name of listed) models.observed(name, 'in-memory', this.#nowMs(), sinceMs)
  }

  async #read<T>(path: string, schema: { parse(value: unknown): T }): Promise<{ ok: true; value: T } | { ok: false }> {
    try {
      // Looks into the memory may have failed for their own reasons; this asks one at a time, and says what it hears.
      return { ok: true, value: schema.parse(await this.#calls.json(path, true)) }
    } catch {
      return { ok: false }
    }
  }

  #nowMs(): number {
    return this.#runtime.clock.monotonicMs()
  }
}

function cannotConnect(url: string): string {
  return `Cannot connect to Ollama at ${url}. Start it with \`ollama serve\`, or correct OLLAMA_BASE_URL.`
}

function problemOf(
  url: string,
  model: string,
  installed: readonly string[] | undefined,
  inMemory: readonly string[] | undefined,
): string | undefined {
  if (installed === undefined)
    return `Ollama at ${url} does not list its models. Check its log, or what else answers at this address.`
  if (!includes(installed, model)) return `Model ${model} not found. Run: ollama pull ${model}`
  return inMemory === undefined
    ? `Ollama at ${url} does not say which models are in memory. Check its log; a runner may hang.`
    : undefined
}

function includes(names: readonly string[], model: string): boolean {
  return names.some((name) => canonicalModel(name) === canonicalModel(model))
}
