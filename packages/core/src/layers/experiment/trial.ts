import type { ChatStatistics, ExperimentReport } from '@surefoot/protocol'

import { BoundedMap } from '../../backends/bounded-map.ts'
import type { Experiment, Shadow, Variant } from '../../config/experiment.ts'
import { Arm } from './arm.ts'
import { armAt, placeOf } from './place-of.ts'
import { SequentialTest } from './sequential-test.ts'

/**
 * Keys remembered at the most. One that comes again after so many others counts as a new session, which the test would
 * take for another person.
 */
const MOST_KEYS = 100_000

/** One key in one experiment. */
export interface Session {
  readonly arm: number
  readonly mark: number
}

/** How one call ended. */
export type CallResult =
  | { readonly kind: 'answered'; readonly statistics: ChatStatistics; readonly firstTokenMs: number | undefined }
  | { readonly kind: 'failed' }

/** One experiment: who gets which variant, what was measured of each, and whether one is better than the others. */
export class Trial {
  readonly name: string
  readonly shadow: Shadow | undefined
  /** What the copies of its calls showed; only where there are any. */
  readonly shadowArm: Arm | undefined
  readonly #experiment: Experiment
  readonly #model: string
  readonly #weights: readonly number[]
  readonly #arms: readonly Arm[]
  readonly #test: SequentialTest
  /** Whether the test has counted the key already, by its mark. */
  readonly #keys = new BoundedMap<number, boolean>(MOST_KEYS)
  /** Calls that are counted, by their signals: one that found nobody else may come back to the variant that failed. */
  readonly #counted = new WeakSet<AbortSignal>()
  #decidedAtMs: number | undefined

  constructor(experiment: Experiment, model: string) {
    this.#experiment = experiment
    this.#model = model
    this.name = experiment.name
    this.shadow = experiment.shadow
    this.#weights = experiment.variants.map(({ weight }) => weight)
    const all = this.#weights.reduce((sum, weight) => sum + weight, 0)
    this.#arms = experiment.variants.map((variant) => new Arm({ ...namesOf(variant), share: variant.weight / all }))
    this.#test = new SequentialTest(this.#weights)
    if (this.shadow !== undefined) {
      this.shadowArm = new Arm({ name: `shadow:${this.shadow.model}`, model: this.shadow.model, share: 0 })
    }
  }

  /** The same variant for the same key, always. */
  join(key: string): Session {
    const { at, mark } = placeOf(this.name, key)
    const arm = armAt(at, this.#weights)
    const counted = this.#keys.get(mark)
    if (counted === undefined) (this.#arms[arm] as Arm).sessions++
    this.#keys.set(mark, counted ?? false)
    return { arm, mark }
  }

  variantOf({ arm }: Session): Variant {
    return this.#experiment.variants[arm] as Variant
  }

  /**
   * A call of this session has ended at its variant; each counts once, by its first result.
   *
   * @param signal of the call. @returns the winner, when this decided it.
   */
  ended(session: Session, signal: AbortSignal, result: CallResult, nowMs: number): string | undefined {
    if (this.#counted.has(signal)) return undefined
    this.#counted.add(signal)
    const arm = this.#arms[session.arm] as Arm
    if (result.kind === 'answered') arm.answered(result.statistics, result.firstTokenMs)
    else arm.failed()
    return this.#experiment.goal === 'success' ? this.#observe(session, result.kind === 'answered', nowMs) : undefined
  }

  /** A person has judged an answer. @returns the winner, when this decided it. */
  judged(session: Session, isGood: boolean, before: boolean | undefined, nowMs: number): string | undefined {
    const arm = this.#arms[session.arm] as Arm
    arm.judged(isGood, before)
    return this.#experiment.goal === 'feedback' ? this.#observe(session, isGood, nowMs) : undefined
  }

  report(): ExperimentReport {
    const variants = this.#arms.map((arm) => arm.report(true))
    if (this.shadowArm !== undefined) variants.push(this.shadowArm.report(false))
    return {
      name: this.name,
      model: this.#model,
      goal: this.#experiment.goal,
      variants,
      winner: this.#winner,
      decidedAtMs: this.#decidedAtMs,
      observed: this.#test.observed,
    }
  }

  get #winner(): string | undefined {
    const { winner } = this.#test
    return winner === undefined ? undefined : this.#experiment.variants[winner]?.name
  }

  /** Once a session, as what one person does hangs together: the first of it that is known counts. */
  #observe({ arm, mark }: Session, isSuccess: boolean, nowMs: number): string | undefined {
    if (this.#keys.get(mark) === true) return undefined
    this.#keys.set(mark, true)
    this.#test.observe(arm, isSuccess)
    if (this.#decidedAtMs !== undefined || this.#test.winner === undefined) return undefined
    this.#decidedAtMs = nowMs
    return this.#winner
  }
}

function namesOf({ name, model }: Variant): { readonly name: string; readonly model: string } {
  return { name, model }
}
