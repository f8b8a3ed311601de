/** A token in this time is better evidence than any probe (section 2.9 of the reliability reference). */
const FRESH_TOKEN_MS = 30_000
/** Failed health looks in a row that make a backend suspect. */
const FAILED_PROBES = 2
/** Refusals for overload in a row, each at once and with hardly anything of ours there, that are no overload (F1, F3). */
const WEDGE_SIGNS = 3
/** Refused faster than this, nothing was tried. */
const AT_ONCE_MS = 50
/** How long those signs alone keep new work away. */
const SUSPECT_BY_SIGNS_MS = 30_000

/** What an attempt says of itself to those who watch its backend. */
export interface AttemptHooks {
  readonly model: string
  /** With tools or a format Ollama holds text back: its silence is long and means nothing. */
  readonly mayBeQuiet: boolean
  /** Ends it as one that got no answer; only called before its first token. */
  giveUp(silentMs: number): void
}

/** A finding about a backend, since when, and why in words. */
export interface Finding {
  readonly sinceMs: number
  readonly reason: string
}

interface Suspicion extends Finding {
  readonly untilMs: number
}

/**
 * Whether a backend still produces tokens: the only proof of life, as Ollama's health routes answer 200 when its scheduler
 * is dead (F3). Facts with their times; whoever measures and decides is elsewhere.
 */
export class Liveness {
  /** When the last token came, whoever it was for; assigned for every piece of every answer. */
  tokenAtMs: number = Number.NEGATIVE_INFINITY
  /** Since when nothing has been in flight, while nothing is. */
  idleSinceMs = 0
  #inFlight = 0
  #inFlightSinceMs = 0
  #mayBeQuiet = 0
  readonly #tokenless = new Set<AttemptHooks>()
  #failedProbes = 0
  #suspect: Suspicion | undefined
  #wedged: Finding | undefined
  #signs = 0

  /** Since when calls have been in flight without a gap; `undefined` while none is. */
  get busySinceMs(): number | undefined {
    return this.#inFlight === 0 ? undefined : this.#inFlightSinceMs
  }

  /** An attempt in flight may be silent for long and be well. */
  get mayBeQuiet(): boolean {
    return this.#mayBeQuiet > 0
  }

  /** For how long work has been in flight without a token for anybody; 0 when nothing is in flight. */
  silentMs(nowMs: number): number {
    return this.#inFlight === 0 ? 0 : nowMs - Math.max(this.tokenAtMs, this.#inFlightSinceMs)
  }

  began(nowMs: number): void {
    if (this.#inFlight++ === 0) this.#inFlightSinceMs = nowMs
  }

  watch(hooks: AttemptHooks): void {
    this.#tokenless.add(hooks)
    if (hooks.mayBeQuiet) this.#mayBeQuiet++
  }

  firstToken(nowMs: number, hooks: AttemptHooks | undefined): void {
    if (hooks !== undefined) this.#tokenless.delete(hooks)
    this.token(nowMs)
  }

  ended(nowMs: number, hooks: AttemptHooks | undefined): void {
    if (--this.#inFlight === 0) this.idleSinceMs = nowMs
    if (hooks === undefined) return
    this.#tokenless.delete(hooks)
    if (hooks.mayBeQuiet) this.#mayBeQuiet--
  }

  /** Proof of life: whatever was held against it is over. */
  token(nowMs: number): void {
    this.tokenAtMs = nowMs
    this.#signs = 0
    this.#failedProbes = 0
  }

  /**
   * An attempt was refused for overload; says whether this has become a sign that the scheduler is dead.
   *
   * @param inFlight calls of ours that were there, this one included.
   */
  refused(afterMs: number, inFlight: number): boolean {
    this.#signs = afterMs <= AT_ONCE_MS && inFlight <= 1 ? this.#signs + 1 : 0
    return this.#signs >= WEDGE_SIGNS
  }

  /** A health look came back; returns whether anything changed by it. */
  probed(reachable: boolean, nowMs: number): boolean {
    const before = this.suspect(nowMs)
    if (reachable) {
      this.#failedProbes = 0
      if (this.#suspect?.untilMs === Number.POSITIVE_INFINITY) this.#suspect = undefined
    } else if (++this.#failedProbes >= FAILED_PROBES && nowMs - this.tokenAtMs >= FRESH_TOKEN_MS) {
      const reason = `${FAILED_PROBES} health looks in a row failed`
      // One whose time is over, or that a token has disproved, must not stand in the way of a new one.
      if (before === undefined) this.#suspect = { sinceMs: nowMs, reason, untilMs: Number.POSITIVE_INFINITY }
    }
    return before !== this.suspect(nowMs)
  }

  /** It refuses at once what it should do, and there is no model in memory to ask. */
  suspectedBySigns(nowMs: number): void {
    const reason = 'it refuses every call at once though it has nothing to do'
    if (this.suspect(nowMs) === undefined) {
      this.#suspect = { sinceMs: nowMs, reason, untilMs: nowMs + SUSPECT_BY_SIGNS_MS }
    }
    this.#signs = 0
  }

  /** It may not answer: gets no new work while others can have it. */
  suspect(nowMs: number): Finding | undefined {
    return this.#suspicion(nowMs)
  }

  /** When that is over by time alone; `undefined` when it is not suspect, or other than time decides. */
  suspectUntilMs(nowMs: number): number | undefined {
    const untilMs = this.#suspicion(nowMs)?.untilMs
    return untilMs === Number.POSITIVE_INFINITY ? undefined : untilMs
  }

  #suspicion(nowMs: number): Suspicion | undefined {
    const suspect = this.#suspect
    const holds = suspect !== undefined && suspect.untilMs > nowMs && this.tokenAtMs <= suspect.sinceMs
    return holds ? suspect : undefined
  }

  /** A canary was not answered. */
  foundWedged(reason: string, nowMs: number): void {
    this.#wedged = this.wedged === undefined ? { sinceMs: nowMs, reason } : this.#wedged
  }

  /** It produces no tokens though it answers everything else: gets no work until a token comes. */
  get wedged(): Finding | undefined {
    return this.#wedged !== undefined && this.tokenAtMs <= this.#wedged.sinceMs ? this.#wedged : undefined
  }

  /** It was away, or restarted: what was found out is of the past. */
  restarted(): void {
    this.#wedged = undefined
    this.#suspect = undefined
    this.#failedProbes = 0
    this.#signs = 0
  }

  /** Ends the attempts that have no token yet and another place to go to. */
  giveUpTokenless(silentMs: number, hasOther: (model: string) => boolean): void {
    for (const hooks of this.#tokenless) if (hasOther(hooks.model)) hooks.giveUp(silentMs)
  }
}
