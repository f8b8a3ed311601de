import type { ResultRow } from '../scenarios/scenario.ts'

/** How large, with which random numbers, and on how many cores. `scale` 1 is the full size. */
export interface ProofSize {
  readonly scale: number
  readonly seed: number
  readonly threads: number
}

/** One of the things that are to be shown and that needs the whole machine. */
export interface Proof {
  readonly title: string
  /** It has one size: it runs at full scale, or when it is asked for by name. @default false */
  readonly hasOneSize?: boolean
  run(size: ProofSize, signal: AbortSignal): Promise<ResultRow>
}
