import { createRun, isRunId, SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ChatInput, Run, RunSink } from '@surefoot/protocol'

import { readAnswer } from './answer-reader.ts'
import type { Progress } from './answer-reader.ts'
import { inputToWire } from './chat-input.ts'
import type { Connection } from './connection.ts'
import { fallbackAnswer, fallbackText, hasFallback } from './fallback.ts'
import type { Fault } from './fault.ts'
import { isSilence } from './guarded-fetch.ts'
import type { Fallback } from './fallback.ts'
import type { SdkRuntime } from './runtime/runtime.ts'
import { openScope } from './scope.ts'
import type { Scope } from './scope.ts'
import { untilAborted } from './until-aborted.ts'

/** What the runs of one client share. */
export interface RemoteRunDeps {
  readonly connection: Connection
  readonly fallback: Fallback
  readonly runtime: SdkRuntime
  /** Counts the call among those that `close()` waits for. @throws SurefootError `SHUTTING_DOWN` once closed */
  readonly track: <T>(call: () => Promise<T>) => Promise<T>
}

/** Makes the `run` of a client. It never throws: also a wrong input comes out of the run. */
export function createRemoteRun(deps: RemoteRunDeps): (input: ChatInput, options?: CallOptions) => Run {
  return (input, given = {}) => {
    // Callers in JavaScript pass null, and other things.
    const isWrong = typeof given !== 'object' || given === null
    const options: CallOptions = isWrong ? {} : given
    const id = isRunId(options.runId) ? options.runId : deps.runtime.newId()
    let scope: Scope | undefined
    const execute = async (sink: RunSink): Promise<ChatAnswer> =>
      await deps.track(async () => {
        if (isWrong) throw new SurefootError({ code: 'INVALID_REQUEST', message: 'The options must be an object.' })
        // The server's run takes the same id, so that its log and this run speak of one.
        const wireInput = inputToWire(input, { ...options, runId: id })
        using opened = openScope(options, deps.runtime)
        scope = opened
        const answer = await ask(deps, { id, input, wireInput, options, scope: opened, sink })
        sink.emit({ type: 'finish', answer })
        return answer
      })
    return createRun(id, execute, (reason) => scope?.stop(reason))
  }
}

/** One call in the making. */
interface Asking {
  readonly id: string
  readonly input: ChatInput
  readonly wireInput: ReturnType<typeof inputToWire>
  readonly options: CallOptions
  readonly scope: Scope
  readonly sink: RunSink
}

async function ask(deps: RemoteRunDeps, asking: Asking): Promise<ChatAnswer> {
  const { scope, sink } = asking
  const progress: Progress = { events: 0, shown: false, text: '' }
  for (let isRetry = false; ; isRetry = true) {
    scope.caller.throwIfAborted()
    const reading = await readAnswer(deps.connection, asking.wireInput, scope.request, sink, progress)
    if ('answer' in reading) return reading.answer
    scope.caller.throwIfAborted()
    // What the deadline cut looks like a broken stream.
    const { error, fromServer } = scope.request.aborted
      ? { error: scope.request.reason as SurefootError, fromServer: false }
      : reading.fault
    if (progress.shown) throw error.with({ partial: progress.text })
    if (isRetry || !canAskAgain({ error, fromServer }, progress, asking)) return await giveUp(deps, asking, error)
  }
}

/**
 * The server repeats what fails behind it; nobody repeats what fails on the way to it. So a whole answer of which
 * nothing has come is asked for once more, at once. A silent connection is not: the caller has waited for it already.
 */
function canAskAgain({ error, fromServer }: Fault, progress: Progress, { options, scope }: Asking): boolean {
  const isCut = error.code === 'SERVER_UNREACHABLE' || error.code === 'STREAM_INTERRUPTED'
  return (
    options.buffered === true &&
    isCut &&
    !fromServer &&
    progress.events === 0 &&
    !scope.request.aborted &&
    !isSilence(error.cause instanceof SurefootError ? error.cause : error)
  )
}

/** Nothing of the answer was shown: the fallback takes its place, or the error comes out. */
async function giveUp(deps: RemoteRunDeps, asking: Asking, error: SurefootError): Promise<ChatAnswer> {
  const { fallback, runtime } = deps
  const { id, input, options, scope, sink } = asking
  if (!hasFallback(error, fallback)) throw error
  const text = await untilAborted(fallbackText(fallback, error, input), scope.caller)
  if (options.buffered !== true) sink.emit({ type: 'delta', text })
  const model = options.model ?? (typeof input === 'string' ? undefined : input.model)
  return fallbackAnswer(text, error, { id, input, model, nowIso: runtime.nowIso() })
}
