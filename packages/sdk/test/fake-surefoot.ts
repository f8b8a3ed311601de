import { createChat, createRun } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ChatInput, HealthReport, RunEvent, RunSink, Surefoot } from '@surefoot/protocol'

/** One call as it reached the server. */
export interface SeenCall {
  readonly input: ChatInput
  readonly options: CallOptions
}

/** What answers one call: it emits events and returns the text of the answer. */
export type Script = (call: SeenCall, sink: RunSink, signal: AbortSignal) => Promise<string>

/** A Surefoot of a few lines behind the real server, so that a test decides what the server says. */
export interface FakeSurefoot extends Surefoot {
  readonly calls: SeenCall[]
  /** Reasons of the calls that were ended from outside. */
  readonly aborted: unknown[]
}

export const HEALTH: HealthReport = { status: 'up', model: 'tiny', backends: [], ageMs: 0, waiting: 0 }

/** Answers with the words of the question, one delta each, unless told otherwise. */
export function createFakeSurefoot(script: Script = echo): FakeSurefoot {
  const calls: SeenCall[] = []
  const aborted: unknown[] = []
  const run: Surefoot['run'] = (input, options = {}) => {
    const call = { input, options }
    calls.push(call)
    const id = options.runId ?? 'server-run'
    const ended = new AbortController()
    const onAbort = (): void => ended.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    ended.signal.addEventListener('abort', () => aborted.push(ended.signal.reason))
    const execute = async (sink: RunSink): Promise<ChatAnswer> => {
      try {
        const answer = answerOf(id, await script(call, sink, ended.signal))
        sink.emit({ type: 'finish', answer })
        return answer
      } finally {
        options.signal?.removeEventListener('abort', onAbort)
      }
    }
    return createRun(id, execute, (reason) => ended.abort(reason))
  }
  return {
    calls,
    aborted,
    run,
    chat: createChat(run),
    health: async () => HEALTH,
    models: async () => [],
    backends: async () => [],
    experiments: async () => [],
    feedback: async () => false,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function answerOf(id: string, text: string): ChatAnswer {
  return {
    model: 'tiny',
    created_at: '2026-01-01T00:00:00Z',
    message: { role: 'assistant', content: text },
    done: true,
    done_reason: 'stop',
    id,
    served: 'model',
    attempts: 1,
    resumed: 0,
  }
}

export function delta(text: string): RunEvent {
  return { type: 'delta', text }
}

/** Answers with the words of the question. */
export const echo: Script = async ({ input, options }, sink) => {
  const text = typeof input === 'string' ? input : (input.messages.at(-1)?.content ?? '')
  if (options.buffered !== true) for (const word of text.split(/(?<= )/)) sink.emit(delta(word))
  return text
}
