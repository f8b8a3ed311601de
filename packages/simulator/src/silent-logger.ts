import type { SurefootDeps } from '@surefoot/core'

const nothing = (): void => {}

/** Nothing is written in a simulation. */
export const SILENT = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
} as unknown as NonNullable<SurefootDeps['logger']>
