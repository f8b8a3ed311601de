import type { Connection } from '../connection.ts'
import { abortable } from '../runtime/abortable.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import { BoundedMap } from './bounded-map.ts'
import { postWhole } from './post-whole.ts'

/** A backend that takes longer to say what a model can do is not waited for. */
const LOOK_MS = 2_000
/** What could not be found out is not asked again before. */
const UNKNOWN_MS = 5_000
/** Models remembered at the most, over all backends. */
const MOST_MODELS = 1_000
const NEVER = new AbortController().signal

/** Whom to ask. */
export interface Asked {
  readonly backend: Pick<Backend, 'name' | 'digests'>
  readonly connection: Connection
}

interface Known {
  readonly digest: string | undefined
  /** `undefined` while it is not known. */
  readonly able: readonly string[] | undefined
  readonly untilMs: number
}

/**
 * What models can do beside chatting, as `/api/show` says (`capabilities`; the same in 0.24.0 and 0.32.15): read once for
 * each backend and digest.
 */
export class Capabilities {
  readonly #asked: () => readonly Asked[]
  readonly #runtime: Runtime
  readonly #known = new BoundedMap<string, Known>(MOST_MODELS)
  readonly #looks = new Map<string, Promise<void>>()

  constructor(asked: () => readonly Asked[], runtime: Runtime) {
    this.#asked = asked
    this.#runtime = runtime
  }

  /**
   * Whether the model can do all of that wherever it is known; false when no backend says so. Backends are asked, and waited
   * for, only where nothing is known. Rejects with the reason of the signal.
   */
  async has(model: string, needs: readonly string[], signal: AbortSignal): Promise<boolean> {
    const asked = this.#asked()
    const lists = (): (readonly string[])[] =>
      asked.flatMap((one) => [this.#of(one, model)?.able ?? []].filter(isFilled))
    const looks = asked.flatMap((one) => (this.#isFresh(one, model) ? [] : [this.#look(one, model)]))
    if (lists().length === 0) await abortable(Promise.all(looks), signal)
    const known = lists()
    return known.length > 0 && known.every((able) => needs.every((need) => able.includes(need)))
  }

  /** What is known, unless the tag stands for another model by now. */
  #of({ backend }: Asked, model: string): Known | undefined {
    const known = this.#known.get(keyOf(backend.name, model))
    const isOther = known?.digest !== undefined && known.digest !== backend.digests.get(model)
    return isOther ? undefined : known
  }

  #isFresh(one: Asked, model: string): boolean {
    const known = this.#of(one, model)
    if (known === undefined || known.digest !== one.backend.digests.get(model)) return false
    return known.able !== undefined || known.untilMs > this.#runtime.clock.monotonicMs()
  }

  #look(one: Asked, model: string): Promise<void> {
    const key = keyOf(one.backend.name, model)
    let look = this.#looks.get(key)
    if (look === undefined) {
      look = this.#ask(one, model).finally(() => this.#looks.delete(key))
      this.#looks.set(key, look)
    }
    return look
  }

  async #ask({ backend, connection }: Asked, model: string): Promise<void> {
    const digest = backend.digests.get(model)
    const limits = { limitMs: LOOK_MS, signal: NEVER, runtime: this.#runtime }
    const able = await postWhole(connection, '/api/show', { model }, limits).then(
      ({ status, body }) => (status === 200 ? capabilitiesIn(body) : undefined),
      () => undefined,
    )
    const untilMs = this.#runtime.clock.monotonicMs() + UNKNOWN_MS
    this.#known.set(keyOf(backend.name, model), { digest, able, untilMs })
  }
}

function isFilled(list: readonly string[]): boolean {
  return list.length > 0
}

function keyOf(backend: string, model: string): string {
  return `${backend} ${model}`
}

function capabilitiesIn(body: string): readonly string[] | undefined {
  try {
    const { capabilities } = JSON.parse(body) as { capabilities?: unknown }
    return Array.isArray(capabilities) ? capabilities.filter((name) => typeof name === 'string') : undefined
  } catch {
    return undefined
  }
}
