import type { Verdict } from '../../outcome/verdict.ts'

/** A Retry-After longer than this is not believed. */
const LONGEST_REST_MS = 30_000

/** Whether a backend that is not among those would take the call now. */
export type HasOther = (than: readonly string[]) => boolean

/** Which backends one call leaves alone: for a while as they asked for it, or for good as another try there is in vain. */
export class Rests {
  readonly #untilMsByBackend = new Map<string, number>()
  readonly #hasOther: HasOther

  constructor(hasOther: HasOther) {
    this.#hasOther = hasOther
  }

  /** An attempt failed there. */
  failed(backend: string, { retry, sameAfterMs = 0 }: Verdict, nowMs: number): void {
    const forMs = retry === 'elsewhere' ? Number.POSITIVE_INFINITY : Math.min(sameAfterMs, LONGEST_REST_MS)
    this.#untilMsByBackend.set(backend, nowMs + forMs)
  }

  /** Until one of the backends that may be asked after this failure wants to be; 0 when one does now. */
  leftMs(failed: string, retry: Verdict['retry'], nowMs: number): number {
    const others = this.at(nowMs).filter((backend) => backend !== failed)
    if (this.#hasOther([failed, ...others])) return 0
    const asked = [...(retry === 'elsewhere' ? [] : [failed]), ...(this.#hasOther([failed]) ? others : [])]
    return Math.min(...asked.map((backend) => Math.max(0, (this.#untilMsByBackend.get(backend) ?? 0) - nowMs)))
  }

  /**
   * Whom the next attempt at that time should pass over: all that were tried; when there is no other, the one that has
   * just failed and those that still rest; at the worst, those that still rest.
   */
  exclude(tried: readonly string[], failed: string, atMs: number): ReadonlySet<string> {
    const resting = this.at(atMs)
    return new Set([tried, [failed, ...resting], resting].find(this.#hasOther) ?? [failed])
  }

  /** Those that still rest at that time. */
  at(nowMs: number): string[] {
    return [...this.#untilMsByBackend].flatMap(([backend, untilMs]) => (untilMs > nowMs ? [backend] : []))
  }
}
