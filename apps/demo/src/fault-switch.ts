import type { BreakMode } from './shared/demo-api.ts'

/** The switch behind the page's break bar: breaks what lies between Surefoot and the model, and mends it again. */
export interface FaultSwitch {
  readonly mode: BreakMode
  set(mode: BreakMode): Promise<void>
  /** Requests for answers since the start, and how many of them were broken on purpose. */
  counts(): { readonly requests: number; readonly broken: number }
}

/** Tokens of an answer that still arrive before a cut. */
export const TOKENS_BEFORE_CUT = 12
