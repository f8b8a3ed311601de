import { setTimeout as pause } from 'node:timers/promises'

/** Room for one thing at a time. */
export interface OneAtATime {
  /**
   * Takes the room until the returned function is called; `undefined` where somebody has it who is still there. One whose
   * caller has left is waited out.
   */
  take(caller: AbortSignal): Promise<(() => void) | undefined>
  /** Resolves with whether the room is free, after waiting out one whose caller has left. */
  isFree(): Promise<boolean>
}

/**
 * How long news that a caller has left may take, in milliseconds: who stops a test and presses the next button at once
 * comes in by another connection, which can be faster than the end of the first one.
 */
const LEAVING_MS = 250

export function createOneAtATime(): OneAtATime {
  let holder: { readonly caller: AbortSignal; readonly ended: Promise<void> } | undefined

  const isFree = async (): Promise<boolean> => {
    while (holder !== undefined) {
      const { caller, ended } = holder
      if (!caller.aborted) await Promise.race([ended, leaving(caller)])
      if (holder !== undefined && !caller.aborted) return false
      await ended
    }
    return true
  }
  return {
    isFree,
    async take(caller) {
      // Two may have waited for the same end: the second look is in one go with the taking.
      if (!(await isFree()) || holder !== undefined) return undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      holder = { caller, ended: promise }
      return () => {
        holder = undefined
        resolve()
      }
    },
  }
}

async function leaving(caller: AbortSignal): Promise<void> {
  await pause(LEAVING_MS, undefined, { signal: caller }).catch(() => undefined)
}
