import type { StandInSettings } from './options.ts'

/** A 7 B model on a good desktop: one slot, 1 s to the first token, then 30 tokens/s, answers of 100 tokens. */
export const sevenB: StandInSettings = { slots: 1, firstTokenMs: 1000, tokensPerSecond: 30, answerTokens: 100 }
