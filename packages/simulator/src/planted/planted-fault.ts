/** A change of one place of a source. */
export interface Edit {
  /** Below `packages/core/src`. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly put: string
}

/** A mistake somebody could make, planted into a copy of core to see whether the simulator notices. */
export interface PlantedFault {
  /** What goes wrong, in one sentence. */
  readonly name: string
  /** Its number among the traps of cockatiel 4.0.0 (section 2.6 of the reliability reference). */
  readonly trap?: number
  readonly edits: readonly Edit[]
  /**
   * What it does is no breach of an invariant but a promise that is not kept: the scenario that measures it, and at
   * which scale, is run with each seed as well. @default random worlds alone
   */
  readonly scenario?: { readonly name: string; readonly scale: number }
}
