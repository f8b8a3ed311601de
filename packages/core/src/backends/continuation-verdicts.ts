import type { Call } from '../service.ts'
import type { Clock } from '../runtime/runtime.ts'
import { BoundedMap } from './bounded-map.ts'
import type { ContinuationMode } from './continuation-mode.ts'
import type { Identity } from './health.ts'

/** That a model cannot go on is believed for so long: a proof can fail for a reason that passes. */
const NONE_MS = 3_600_000
/** Verdicts kept at the most, over all backends; names come from callers. */
const MOST_VERDICTS = 1_000

interface Verdict {
  readonly digest: string
  readonly version: string
  readonly mode: ContinuationMode
  readonly untilMs: number
}

/**
 * What is proven of which model on which backend. It holds for one digest and one version of Ollama, and for one way to
 * think: with `think: false` a template begins the answer in another way than where the model may do as it likes.
 */
export class ContinuationVerdicts {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #verdicts = new BoundedMap<string, Verdict>(MOST_VERDICTS)

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** @param identity what the model is there now; nothing is known of one that is not known. */
  of(backend: string, call: Call, identity: Identity | undefined): ContinuationMode | undefined {
    const verdict = this.#verdicts.get(keyOf(backend, call))
    if (verdict === undefined || verdict.untilMs <= this.#clock.monotonicMs()) return undefined
    return verdict.digest === identity?.digest && verdict.version === identity.version ? verdict.mode : undefined
  }

  set(backend: string, call: Call, { digest, version }: Identity, mode: ContinuationMode): void {
    const untilMs = mode === 'none' ? this.#clock.monotonicMs() + NONE_MS : Number.POSITIVE_INFINITY
    this.#verdicts.set(keyOf(backend, call), { digest, version, mode, untilMs })
  }
}

/** Whether an answer to this call can be gone on from in that way: a raw prompt has no place for images. */
export function allows(mode: ContinuationMode, { request }: Call): boolean {
  if (mode === 'none') return false
  return mode !== 'raw' || request.messages.every(({ images }) => (images?.length ?? 0) === 0)
}

/** One model that thinks, or does not, in one way on one backend. */
export function keyOf(backend: string, { model, request: { think } }: Call): string {
  return `${backend} ${model} ${think === undefined || think === null ? '' : JSON.stringify(think)}`
}
