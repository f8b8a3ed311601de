import { createChat, SurefootError } from '@surefoot/protocol'
import type { BackendStatus, ExperimentReport, HealthReport, ModelInfo, Surefoot } from '@surefoot/protocol'

import { createConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import { errorToFault } from './fault.ts'
import { DEFAULT_FALLBACK } from './fallback.ts'
import type { ClientOptions } from './options.ts'
import { createRemoteRun } from './remote-run.ts'
import { systemRuntime } from './runtime/system.ts'
import { openScope } from './scope.ts'

/**
 * A Surefoot that answers from a server: the same interface as `createSurefoot` of `@surefoot/core`, in a browser or
 * in another Node service. It holds no connection of its own and needs no `close()`; that only waits for what runs.
 *
 * @throws SurefootError `INVALID_CONFIG` for a url or a time that cannot work.
 *
 * @example
 * const surefoot = createClient({ url: 'http://127.0.0.1:8000' })
 * const answer = await surefoot.chat('What is water?')
 * console.log(answer.message.content)
 */
export function createClient(options: ClientOptions): Surefoot {
  const runtime = systemRuntime
  const connection = createConnection(options, runtime)
  const inFlight = new Set<Promise<unknown>>()
  let closed = false

  async function track<T>(call: () => Promise<T>): Promise<T> {
    if (closed) throw closedError()
    const running = call()
    inFlight.add(running)
    try {
      return await running
    } finally {
      inFlight.delete(running)
    }
  }

  /** The short questions. They never fall back: who asks how things are wants the truth. */
  async function query<T>(
    signal: AbortSignal | undefined,
    ask: (client: ReturnType<Connection['open']>) => Promise<T>,
  ): Promise<T> {
    return await track(async () => {
      using scope = openScope({ signal }, runtime)
      scope.caller.throwIfAborted()
      try {
        return await ask(connection.open(scope.request))
      } catch (error) {
        scope.caller.throwIfAborted()
        throw errorToFault(error, connection.endpoint).error
      }
    })
  }

  async function close(): Promise<void> {
    closed = true
    await Promise.allSettled(inFlight)
  }

  const run = createRemoteRun({ connection, fallback: options.fallback ?? DEFAULT_FALLBACK, runtime, track })
  return {
    run,
    chat: createChat(run),
    health: ({ force, signal } = {}) =>
      query<HealthReport>(signal, (client) => client.health.query(force === undefined ? undefined : { force })),
    models: ({ signal } = {}) => query<ModelInfo[]>(signal, (client) => client.models.query()),
    backends: ({ signal } = {}) => query<BackendStatus[]>(signal, (client) => client.backends.query()),
    experiments: ({ signal } = {}) => query<ExperimentReport[]>(signal, (client) => client.experiments.query()),
    feedback: (runId, isGood, { signal } = {}) =>
      query<boolean>(signal, (client) => client.feedback.mutate({ runId, isGood })),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function closedError(): SurefootError {
  return new SurefootError({
    code: 'SHUTTING_DOWN',
    message: 'This Surefoot client was closed and takes no new calls.',
    hint: 'Make another one with createClient.',
  })
}
