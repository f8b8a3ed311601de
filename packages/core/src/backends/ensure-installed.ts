import { SurefootError } from '@surefoot/protocol'

import type { Roster } from './roster.ts'

/**
 * Rejects with `MODEL_NOT_FOUND` when no backend has the model, after all have been looked at once more; `undefined` as long
 * as one may have it.
 */
export function createEnsureInstalled(roster: Roster): (model: string) => Promise<void> | undefined {
  const isNowhere = (model: string): boolean =>
    roster.members.length > 0 && roster.members.every(({ health }) => health.lacks(model))
  return (model) => {
    if (!isNowhere(model)) return undefined
    return Promise.all(roster.members.map(({ health }) => health.recheck())).then(() => {
      if (!isNowhere(model)) return
      throw new SurefootError({
        code: 'MODEL_NOT_FOUND',
        message: `Model ${model} not found. Run: ollama pull ${model}`,
      })
    })
  }
}
