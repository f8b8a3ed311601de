import type { Absent, AwaitReturn } from '../../backends/returns.ts'
import type { Verdict } from '../../outcome/verdict.ts'
import type { Timers } from '../../runtime/runtime.ts'
import { wait } from '../../runtime/wait.ts'

/** A call that is woken again and again in vain sleeps at least 10, 20, 40 … 250 ms. */
const FIRST_SLEEP_MS = 10
const LONGEST_FLOOR_MS = 250

/** How long one sleep may be, and what it may be ended by. */
export interface Sleep {
  readonly waitMs: number
  /** Not before that, whatever comes back: what a backend asked for. */
  readonly restMs: number
  /** Whether a backend that was not tried may be asked now. */
  readonly hasUntried: () => boolean
  readonly signal: AbortSignal
}

/**
 * The sleep of one call between two attempts. It ends early when a backend that was away is back, once for each return: a
 * lone caller must not notice it only after its 1, 2 or 4 s.
 */
export class Sleeper {
  readonly #timers: Timers
  readonly #awaitReturn: AwaitReturn | undefined
  readonly #absent = new Map<string, NonNullable<Verdict['away']>>()
  #wakings = 0

  constructor(timers: Timers, awaitReturn: AwaitReturn | undefined) {
    this.#timers = timers
    this.#awaitReturn = awaitReturn
  }

  /** The backends that were away when they were asked last. */
  get absent(): Absent {
    return this.#absent
  }

  /** An attempt has failed there. */
  failed(backend: string, { away }: Verdict): void {
    if (away === undefined) this.#absent.delete(backend)
    else this.#absent.set(backend, away)
  }

  /** Whether a backend that was away is back: it is asked next. */
  async sleep({ waitMs, restMs, hasUntried, signal }: Sleep): Promise<boolean> {
    const floorMs = Math.min(waitMs, Math.max(restMs, this.#floorMs()))
    const awaitReturn = this.#absent.size > 0 && floorMs < waitMs ? this.#awaitReturn : undefined
    await wait(this.#timers, awaitReturn === undefined ? waitMs : floorMs, signal)
    if (awaitReturn === undefined) return false
    const woken = new AbortController()
    let back: string | undefined
    const end = awaitReturn(this.#absent, hasUntried, (backend) => {
      back = backend
      woken.abort()
    })
    try {
      await wait(this.#timers, waitMs - floorMs, AbortSignal.any([signal, woken.signal]))
      return false
    } catch (reason) {
      if (signal.aborted) throw reason
      this.#wakings++
      return back !== undefined && this.#absent.delete(back)
    } finally {
      end()
    }
  }

  #floorMs(): number {
    return this.#wakings === 0 ? 0 : Math.min(FIRST_SLEEP_MS * 2 ** this.#wakings, LONGEST_FLOOR_MS)
  }
}
