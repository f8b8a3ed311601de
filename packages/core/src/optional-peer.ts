import { createRequire } from 'node:module'

import { SurefootError } from '@surefoot/protocol'

/**
 * Makes sure that a package is installed which only one setting needs; it is loaded later, when there is something to do.
 *
 * @throws SurefootError `INVALID_CONFIG` with the command that installs it.
 */
export function requirePeer(name: string, setting: string): void {
  try {
    createRequire(import.meta.url).resolve(name)
  } catch (failure) {
    // One that is there may still be closed to `require`.
    if ((failure as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') return
    throw new SurefootError({
      code: 'INVALID_CONFIG',
      message: `${setting} needs the package ${name}, which is not installed.`,
      hint: `Run: npm install ${name}`,
    })
  }
}
