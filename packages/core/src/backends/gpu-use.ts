import { BoundedMap } from './bounded-map.ts'
import type { LoadedModel } from './model-lists.ts'
import { canonicalModel } from './model-lists.ts'

/** Models remembered at the most. */
const MOST_MODELS = 1_000

interface Use {
  /** The part of the model that is in the GPU's memory, 0..1; `undefined` while it is not in memory at all. */
  readonly share: number | undefined
  readonly sinceMs: number
  /** It has been wholly there once. */
  readonly wasFull: boolean
}

/**
 * How far the models of one backend run on its GPU. Ollama falls back to the CPU without a word, and is then 10 to 30
 * times slower (F30); a machine that never had a GPU is as it is meant to be.
 */
export class GpuUse {
  readonly #byModel = new BoundedMap<string, Use>(MOST_MODELS)
  #hasGpu = false

  /** `/api/ps` was read: all models in memory. */
  observed(loaded: readonly LoadedModel[], nowMs: number): void {
    const shares = new Map(loaded.map((entry) => [canonicalModel(entry.name), shareOf(entry)]))
    this.#hasGpu ||= [...shares.values()].some((share) => share !== undefined && share > 0)
    for (const model of new Set([...shares.keys(), ...this.#byModel.keys()])) {
      const share = shares.get(model)
      const known = this.#byModel.get(model)
      if (known !== undefined && known.share === share) continue
      this.#byModel.set(model, { share, sinceMs: nowMs, wasFull: known?.wasFull === true || share === 1 })
    }
  }

  /** It runs on the GPU alone. */
  isFull(model: string): boolean {
    return this.#byModel.get(model)?.share === 1
  }

  /**
   * Since when it runs on the CPU, wholly or in part, though it need not: it ran on the GPU here before, or does so
   * elsewhere while this machine has one too.
   */
  fellToCpuAtMs(model: string, isFullElsewhere: () => boolean): number | undefined {
    const use = this.#byModel.get(model)
    if (use?.share === undefined || use.share === 1) return undefined
    return use.wasFull || (this.#hasGpu && isFullElsewhere()) ? use.sinceMs : undefined
  }

  /** The models seen so far. */
  get models(): Iterable<string> {
    return this.#byModel.keys()
  }
}

function shareOf({ size, size_vram }: LoadedModel): number | undefined {
  if (size === undefined || size_vram === undefined || !(size > 0)) return undefined
  return Math.min(1, Math.max(0, size_vram / size))
}
