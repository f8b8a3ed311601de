import type { SurefootConfig } from '@surefoot/core'

import type { Question } from '../callers/question.ts'
import { DEFAULT_OLLAMA } from '../ollama/ollama-options.ts'
import type { OllamaOptions } from '../ollama/ollama-options.ts'
import type { RandomStream } from '../time/random-stream.ts'
import { addSummary, emptySummary, summaryOf } from '../summary.ts'
import type { Summary } from '../summary.ts'
import { World } from '../world.ts'

/** How large, and which random numbers. `scale` 1 is the full size. */
export interface Size {
  readonly scale: number
  readonly seed: number
}

/** One line of the results: what is demanded, and what was measured. */
export interface ResultRow {
  readonly scenario: string
  readonly demanded: string
  readonly measured: string
  readonly holds: boolean
}

export interface ScenarioResult {
  readonly rows: readonly ResultRow[]
  readonly summary: Summary
}

/** One of the things that are to be shown. */
export interface Scenario {
  readonly title: string
  run(size: Size): Promise<ScenarioResult>
}

/** So many equal backends. */
export function fleet(count: number, changes: Partial<OllamaOptions> = {}): OllamaOptions[] {
  return Array.from({ length: count }, (_, index) => ({
    ...DEFAULT_OLLAMA,
    ...changes,
    url: `http://gpu-${index}:11434`,
  }))
}

/** A world whose slots are told to Surefoot. */
export function createWorld(
  seed: number,
  ollamas: readonly OllamaOptions[],
  config: Omit<SurefootConfig, 'backends'> = {},
): World {
  return new World({ seed, ollamas, config: { slots: ollamas[0]?.slots ?? 1, ...config } })
}

/** What questions are like; all that is not said is drawn or left to its default. */
export interface QuestionMix extends Partial<Question> {
  readonly meanTokens: number
  readonly promptMs: number
}

/** Questions of random length: lognormal, of that mean, as real ones are. */
export function questions(random: RandomStream, mix: QuestionMix, streamedShare: number): () => Question {
  const { meanTokens, ...rest } = mix
  return () => ({
    streamed: streamedShare > 0 && random.chance(streamedShare),
    tokens: Math.min(meanTokens * 30, random.lognormal(meanTokens, 1)),
    ...rest,
  })
}

/** The time between calls at which so many slots are busy for that share of the time. */
export function betweenCallsMs(load: number, slots: number, holdMs: number): number {
  return holdMs / slots / load
}

/** A number of something, at least one, in proportion to the size. */
export function scaled(full: number, { scale }: Size): number {
  return Math.max(1, Math.round(full * scale))
}

/** Adds up worlds. */
export class Sum {
  readonly summary: Summary = emptySummary()

  async add(world: World): Promise<void> {
    addSummary(this.summary, summaryOf(await world.finish()))
  }

  /** Calls that were neither answered nor given up by their caller. */
  get failed(): number {
    const { calls, answered, left, wrong } = this.summary
    return calls - answered - left - wrong
  }

  get successShare(): number {
    const { calls, left, wrong } = this.summary
    return 1 - this.failed / Math.max(1, calls - left - wrong)
  }

  /** One row; an invariant that was breached anywhere breaks it. */
  result(scenario: string, demanded: string, measured: string, holds: boolean): ScenarioResult {
    return { rows: [this.row(scenario, demanded, measured, holds)], summary: this.summary }
  }

  row(scenario: string, demanded: string, measured: string, holds: boolean): ResultRow {
    const { violations } = this.summary
    const breached =
      violations.length === 0 ? '' : `; ${violations.length} VIOLATIONS, the first: ${violations[0]?.text}`
    return { scenario, demanded, measured: measured + breached, holds: holds && violations.length === 0 }
  }

  /** Failed calls by code, as words. */
  get codes(): string {
    const codes = Object.entries(this.summary.failedByCode).map(([code, count]) => `${count} ${code}`)
    return codes.length === 0 ? '' : ` (${codes.join(', ')})`
  }
}

/** A share as it is said in a table. */
export function shareText(share: number): string {
  return share === 1 ? '100 %' : `${(Math.floor(share * 1e6) / 1e4).toFixed(4)} %`
}

export function countText(count: number): string {
  return count.toLocaleString('en-US')
}
