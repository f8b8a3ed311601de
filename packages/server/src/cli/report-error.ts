import { SurefootError } from '@surefoot/protocol'

import type { Environment } from './environment.ts'

/** Prints what failed and what to do about it, for a person at a terminal. Unknown errors go on to the runtime. */
export function reportError(error: unknown, { err }: Environment): void {
  if (!SurefootError.is(error)) throw error
  err(`surefoot: ${error.message}`)
  err(`  ${error.hint}`)
}
