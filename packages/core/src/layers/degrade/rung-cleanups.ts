import type { CallContext, CallEnd } from '../../service.ts'

/** What one rung wants done at its end: where another one answers, it has failed, whatever becomes of the call. */
export class RungCleanups {
  readonly #context: CallContext
  #kept: ((end: CallEnd) => void)[] | undefined = []

  constructor(context: CallContext) {
    this.#context = context
  }

  readonly defer: CallContext['defer'] = (cleanup) => {
    if (this.#kept === undefined) this.#context.defer(cleanup)
    else this.#kept.push(cleanup)
  }

  /** The call ends as this rung does. */
  passOn(): void {
    for (const cleanup of this.#take()) this.#context.defer(cleanup)
  }

  /** The rung alone has ended, in this way. */
  over(end: CallEnd): void {
    for (const cleanup of this.#take()) cleanup(end)
  }

  #take(): readonly ((end: CallEnd) => void)[] {
    const kept = this.#kept ?? []
    this.#kept = undefined
    return kept
  }
}
