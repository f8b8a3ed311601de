import type { ChatStatistics, VariantReport } from '@surefoot/protocol'

import { MeanOf, TypicalTimeOf, shareOf } from './estimates.ts'

/** What an arm is known by. */
export type ArmName = Pick<VariantReport, 'name' | 'model' | 'share'>

/** One arm and what was measured of it. Only sums are kept. */
export class Arm {
  readonly #named: ArmName
  readonly #firstTokenMs = new TypicalTimeOf()
  readonly #tokensPerSecond = new MeanOf()
  readonly #answerTokens = new MeanOf()
  #answered = 0
  #failed = 0
  #good = 0
  #bad = 0
  sessions = 0
  readonly shadows = { begun: 0, whole: 0, cancelled: 0 }

  constructor(named: ArmName) {
    this.#named = named
  }

  /** @param firstTokenMs absent where it is not known. */
  answered(statistics: ChatStatistics, firstTokenMs: number | undefined): void {
    this.#answered++
    if (firstTokenMs !== undefined) this.#firstTokenMs.add(firstTokenMs)
    const { eval_count: tokens, eval_duration: durationNs } = statistics
    if (tokens === undefined) return
    this.#answerTokens.add(tokens)
    if (durationNs !== undefined && durationNs > 0) this.#tokensPerSecond.add(tokens / (durationNs / 1e9))
  }

  failed(): void {
    this.#failed++
  }

  /** @param before what the same person had said of the same answer. */
  judged(isGood: boolean, before: boolean | undefined): void {
    if (before === true) this.#good--
    if (before === false) this.#bad--
    if (isGood) this.#good++
    else this.#bad++
  }

  /** @param isLive the calls are those of users; copies are no calls. */
  report(isLive: boolean): VariantReport {
    const ended = this.#answered + this.#failed
    return {
      ...this.#named,
      sessions: this.sessions,
      calls: isLive ? ended : 0,
      success: shareOf(this.#answered, ended),
      firstTokenMs: this.#firstTokenMs.estimate(),
      tokensPerSecond: this.#tokensPerSecond.estimate(),
      answerTokens: this.#answerTokens.estimate(),
      feedback: shareOf(this.#good, this.#good + this.#bad),
      shadows: { ...this.shadows },
    }
  }
}
