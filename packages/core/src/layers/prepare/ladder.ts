import type { ModelContexts } from '../../backends/model-contexts.ts'
import type { LoadOptions } from '../../load-options.ts'
import { mendOf } from './mend.ts'
import { rungFor } from './rungs.ts'

/** A prompt that has not enough room; sizes in tokens. */
export interface Misfit {
  readonly model: string
  readonly needed: number
  /** What it needs was not counted. */
  readonly isEstimate: boolean
  /** For the answer. */
  readonly room: number
  /** What there is, as far as it is known. */
  readonly available: number | undefined
  /** What was named when it was found not to fit; `undefined` where the backend's default counted. */
  readonly named: number | undefined
  readonly signal: AbortSignal
}

/** The contexts of all models: each grows to the smallest rung that a prompt needs, for all calls, and never shrinks. */
export class Ladder {
  readonly #maxContext: number
  readonly #loadOptions: Pick<LoadOptions, 'of' | 'grow' | 'tooLargeFor'>
  readonly #contexts: Pick<ModelContexts, 'largest'>

  constructor(
    maxContext: number,
    loadOptions: Pick<LoadOptions, 'of' | 'grow' | 'tooLargeFor'>,
    contexts: Pick<ModelContexts, 'largest'>,
  ) {
    this.#maxContext = maxContext
    this.#loadOptions = loadOptions
    this.#contexts = contexts
  }

  /**
   * Makes room for a prompt. Of many that do not fit at once the first one raises the context, and the others find it
   * raised.
   *
   * @returns what to do about it when there is no more room; `undefined` when there is now.
   */
  async climb({ model, needed, room, available = 0, named = 0, signal }: Misfit): Promise<string | undefined> {
    const most = await this.#contexts.largest(model, signal)
    const had = Math.max(available, named)
    const now = this.current(model) ?? 0
    if (now > had && now > needed) return undefined
    const rung = rungFor(needed, room, Math.min(most ?? Number.POSITIVE_INFINITY, this.#maxContext))
    if (rung !== undefined && rung > had && this.raise(model, rung)) return undefined
    const tooLargeFrom = this.#loadOptions.tooLargeFor(model)
    return mendOf({ model, needed, room, largest: most, tooLargeFrom })
  }

  /** The largest context that may be chosen for a model. */
  async ceiling(model: string, signal: AbortSignal): Promise<number> {
    const most = await this.#contexts.largest(model, signal)
    return Math.min(most ?? Number.POSITIVE_INFINITY, this.#maxContext)
  }

  /** The context that all calls of a model name; `undefined` where the backend's default counts. */
  current(model: string): number | undefined {
    const numCtx = this.#loadOptions.of(model)['num_ctx']
    return typeof numCtx === 'number' ? numCtx : undefined
  }

  /** @returns whether it grew. */
  raise(model: string, rung: number): boolean {
    return this.#loadOptions.grow(model, rung)
  }
}
