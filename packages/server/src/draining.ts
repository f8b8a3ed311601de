import { randomUUID } from 'node:crypto'

import { createChat, createRun, isRunId, SurefootError } from '@surefoot/protocol'
import type { Surefoot } from '@surefoot/protocol'

/** After how long a refused caller may ask again: by then another instance, or this one restarted, answers. */
const RETRY_AFTER_MS = 2_000

/** A {@link Surefoot} that can be told to take no new calls, while everything else goes on. */
export interface DrainableSurefoot {
  /** What every surface asks. */
  readonly surefoot: Surefoot
  /** New calls are refused with `SHUTTING_DOWN`. */
  readonly isDraining: boolean
  /** From now on no call starts; those that run go on. */
  startDraining(): void
}

/** Puts a gate before `run` and `chat`; health, models and backends are still answered while draining. */
export function createDrainable(inner: Surefoot): DrainableSurefoot {
  let isDraining = false
  const run: Surefoot['run'] = (input, options = {}) =>
    isDraining
      ? createRun(
          isRunId(options.runId) ? options.runId : randomUUID(),
          () => Promise.reject(refusal()),
          () => {},
        )
      : inner.run(input, options)
  return {
    surefoot: {
      run,
      chat: createChat(run),
      health: (options) => inner.health(options),
      models: (options) => inner.models(options),
      backends: (options) => inner.backends(options),
      experiments: (options) => inner.experiments(options),
      feedback: (runId, isGood, options) => inner.feedback(runId, isGood, options),
      close: () => inner.close(),
      [Symbol.asyncDispose]: () => inner.close(),
    },
    get isDraining() {
      return isDraining
    },
    startDraining() {
      isDraining = true
    },
  }
}

function refusal(): SurefootError {
  return new SurefootError({
    code: 'SHUTTING_DOWN',
    message: 'This Surefoot server is shutting down and takes no new calls',
    retryAfterMs: RETRY_AFTER_MS,
  })
}
