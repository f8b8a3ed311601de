/** A Retry-After longer than this is not believed. */
const LONGEST_REST_MS = 30_000

/** Whether a backend that is not among those would take the call now. */
export type HasOther = (than: readonly string[]) => boolean

/** Which backends asked one call to be left alone for a while, with a Retry-After or by what failed. */
export class Rests {
  readonly #untilMsByBackend = new Map<string, number>()
  readonly #hasOther: HasOther

  constructor(hasOther: HasOther) {
    this.#hasOther = hasOther
  }

  /** @param forMs `undefined`: it asked for nothing. */
  ask(backend: string, forMs: number | undefined, nowMs: number): void {
    this.#untilMsByBackend.set(backend, nowMs + Math.min(forMs ?? 0, LONGEST_REST_MS))
  }

  /** Until one of the backends that may be asked after this failure wants to be; 0 when one does now. */
  leftMs(failed: string, retry: 'elsewhere' | 'anywhere' | 'never', nowMs: number): number {
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
