import { BoundedMap } from '../../backends/bounded-map.ts'

/** Kinds of prompt remembered at the most: models times sizes. */
const MOST_KINDS = 1_000
/** The latest ones of each kind. */
const KEPT = 100

/** How long the first token took lately, by model and size of the prompt: the work before it grows with the prompt. */
export class FirstTokenTimes {
  readonly #times = new BoundedMap<string, number[]>(MOST_KINDS)

  add(model: string, promptLength: number, tookMs: number): void {
    const kind = kindOf(model, promptLength)
    let times = this.#times.get(kind)
    if (times === undefined) this.#times.set(kind, (times = []))
    times.push(tookMs)
    if (times.length > KEPT) times.shift()
  }

  /** 95 of 100 took at most so long; `undefined` when nothing of the kind was measured. */
  p95Ms(model: string, promptLength: number): number | undefined {
    const times = this.#times.get(kindOf(model, promptLength))
    return times?.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1]
  }
}

/** Prompts are of one size when the longer one has less than twice as many characters. */
function kindOf(model: string, promptLength: number): string {
  return `${Math.floor(Math.log2(promptLength + 1))} ${model}`
}
