import { z } from 'zod'

import { abortable } from '../runtime/abortable.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Member } from './member.ts'
import { canonicalModel, psSchema, versionSchema } from './model-lists.ts'
import { postWhole } from './post-whole.ts'
import type { Roster } from './roster.ts'
import { promptCareOf } from './prompt-care.ts'
import type { PromptCare } from './prompt-care.ts'

/** A description may take this long. */
const SHOW_MS = 3_000
/** How long it is believed: by the same tag another model may have been pulled. */
const KNOWN_MS = 600_000
/** How long it is not asked for again when nobody had an answer. */
const UNKNOWN_MS = 10_000
/** Models remembered at the most; names come from callers. */
const MOST_MODELS = 1_000

const showSchema = z.object({ model_info: z.record(z.string(), z.unknown()) })

/** How much context models can have and have, as their backends tell it. */
export class ModelContexts {
  readonly #roster: Roster
  readonly #runtime: Runtime
  readonly #largest = new BoundedMap<string, { readonly tokens: number | undefined; readonly untilMs: number }>(
    MOST_MODELS,
  )
  readonly #asking = new Map<string, Promise<number | undefined>>()
  readonly #askingCare = new Map<Member, Promise<PromptCare | undefined>>()
  readonly #cares = new WeakMap<Member, { readonly version: string; readonly care: PromptCare }>()

  constructor(roster: Roster, runtime: Runtime) {
    this.#roster = roster
    this.#runtime = runtime
  }

  /** The digest that counts for a model; `undefined` while no backend's is known. */
  digestOf(model: string): string | undefined {
    return this.#roster.fleet.digestOf(model)
  }

  /**
   * The largest context that the model was made for, in tokens; `undefined` when no backend tells. Asked for once at a
   * time, however many want to know it.
   */
  async largest(model: string, signal: AbortSignal): Promise<number | undefined> {
    const known = this.#largest.get(model)
    if (known !== undefined && known.untilMs > this.#runtime.clock.monotonicMs()) return known.tokens
    let asking = this.#asking.get(model)
    if (asking === undefined) {
      asking = this.#ask(model).finally(() => this.#asking.delete(model))
      this.#asking.set(model, asking)
    }
    return await abortable(asking, signal)
  }

  /** The context that the model has in the memory of a backend, in tokens; `undefined` when it does not tell. */
  async loaded(backend: string, model: string, signal: AbortSignal): Promise<number | undefined> {
    const member = this.#member(backend)
    if (member === undefined) return undefined
    const read = member.connection.calls.json('/api/ps').then(
      (answer) => psSchema.safeParse(answer).data?.models.find(isOf(model, member))?.context_length,
      () => undefined,
    )
    return await abortable(read, signal)
  }

  /** What a backend does with a prompt that is too long; `undefined` while its version is not known. */
  careOf(backend: string): PromptCare | undefined {
    const member = this.#member(backend)
    return member && this.#careOf(member)
  }

  /** The same; finds the version out where it is not known. */
  async findCareOf(backend: string): Promise<PromptCare | undefined> {
    const member = this.#member(backend)
    if (member === undefined) return undefined
    return this.#careOf(member) ?? (await this.#askCareOf(member))
  }

  /** Its version alone, once however many ask: its health would take lists and a second socket. */
  #askCareOf(member: Member): Promise<PromptCare | undefined> {
    let asking = this.#askingCare.get(member)
    if (asking === undefined) {
      asking = member.connection.calls
        .json('/api/version')
        .then((answer) => this.#learnCare(member, versionSchema.parse(answer).version))
        .catch(() => undefined)
        .finally(() => this.#askingCare.delete(member))
      this.#askingCare.set(member, asking)
    }
    return asking
  }

  /** The least careful of all backends, as far as their versions are known. */
  get leastCare(): PromptCare {
    let least: PromptCare = 'refuses'
    for (const member of this.#roster.members) {
      const care = this.#careOf(member)
      if (care === 'cuts-unseen') return care
      if (care === 'cuts') least = care
    }
    return least
  }

  /** By the last version it told: one that cannot be reached for a while is the same as before. */
  #careOf(member: Member): PromptCare | undefined {
    const version = member.health.last?.version
    const known = this.#cares.get(member)
    return version === undefined || known?.version === version ? known?.care : this.#learnCare(member, version)
  }

  #learnCare(member: Member, version: string): PromptCare {
    const care = promptCareOf(version)
    this.#cares.set(member, { version, care })
    return care
  }

  async #ask(model: string): Promise<number | undefined> {
    const tokens = this.#listed(model) ?? (await this.#shown(model))
    const untilMs = this.#runtime.clock.monotonicMs() + (tokens === undefined ? UNKNOWN_MS : KNOWN_MS)
    this.#largest.set(model, { tokens, untilMs })
    return tokens
  }

  /** As newer versions list it. */
  #listed(model: string): number | undefined {
    for (const { health } of this.#roster.members) {
      const tokens = health.tagged(model)?.details?.['context_length']
      if (isSize(tokens)) return tokens
    }
    return undefined
  }

  async #shown(model: string): Promise<number | undefined> {
    const usable = new Set(this.#roster.fleet.usable(model))
    for (const { backend, connection } of this.#roster.members) {
      if (!usable.has(backend)) continue
      try {
        const limits = { limitMs: SHOW_MS, signal: new AbortController().signal, runtime: this.#runtime }
        const { body } = await postWhole(connection, '/api/show', { model }, limits)
        const { model_info } = showSchema.parse(JSON.parse(body))
        const tokens = Object.entries(model_info).find(([name]) => name.endsWith('.context_length'))?.[1]
        if (isSize(tokens)) return tokens
      } catch {
        // The next one may tell.
      }
    }
    return undefined
  }

  #member(backend: string): Member | undefined {
    return this.#roster.members.find((member) => member.backend.name === backend)
  }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0
}

function isOf(model: string, { backend }: Member): (loaded: { name: string; digest?: string | undefined }) => boolean {
  const digest = backend.digests.get(model)
  return (loaded) => canonicalModel(loaded.name) === model || (digest !== undefined && loaded.digest === digest)
}
