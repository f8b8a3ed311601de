import { createChat, createRun } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ChatInput, HealthReport, RunSink, Surefoot } from '@surefoot/protocol'

/** What the fake's model does with one call; throws to fail. */
export type Script = (sink: RunSink, call: FakeCall) => Promise<void>

export interface FakeCall {
  readonly input: ChatInput
  readonly options: CallOptions
  /** Aborts when the call was ended, by signal or by `stop()`. */
  readonly signal: AbortSignal
}

export interface FakeSurefoot extends Surefoot {
  /** Every call that reached it. */
  readonly calls: FakeCall[]
  /** Calls that have not ended. */
  readonly running: number
  script: Script
  status: HealthReport['status']
}

const BACKEND = 'http://gpu-a:11434'

/** A `Surefoot` without a backend: answers with the words of `script`, as plain events. */
export function createFakeSurefoot(script: Script = say('Water ', 'is wet.')): FakeSurefoot {
  const calls: FakeCall[] = []
  let running = 0
  let ids = 0
  const fake: Omit<FakeSurefoot, 'run' | 'chat'> & Partial<Pick<FakeSurefoot, 'run' | 'chat'>> = {
    calls,
    script,
    status: 'up',
    get running() {
      return running
    },
    health: async () => report(fake.status),
    models: async () => [
      {
        name: 'llama3.2:latest',
        digests: ['a80c4f17acd5'],
        sizeBytes: 2_019_393_189,
        modifiedAt: '2026-11-01T10:00:00Z',
        backends: [BACKEND],
        details: { parent_model: '/root/.ollama/models/blobs/sha256-1', family: 'llama' },
      },
    ],
    backends: async () => [],
    experiments: async () => [],
    feedback: async () => false,
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const run: Surefoot['run'] = (input, options = {}) => {
    const ended = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal
    const call: FakeCall = { input, options, signal }
    calls.push(call)
    const id = options.runId ?? `run-${++ids}`
    let text = ''
    const execute = async (sink: RunSink): Promise<ChatAnswer> => {
      running++
      try {
        sink.emit({ type: 'attempt', attempt: 1, backend: BACKEND })
        await fake.script(
          {
            emit: (event) => {
              if (event.type === 'delta') text += event.text
              if (event.type !== 'delta' || options.buffered !== true) sink.emit(event)
            },
            ready: () => sink.ready(),
          },
          call,
        )
        const answer: ChatAnswer = { ...FINAL, id, message: { role: 'assistant', content: text } }
        sink.emit({ type: 'finish', answer })
        return answer
      } finally {
        running--
      }
    }
    return createRun(id, execute, (reason) => ended.abort(reason))
  }
  return Object.defineProperties(fake as FakeSurefoot, {
    run: { value: run },
    chat: { value: createChat(run) },
  })
}

const FINAL = {
  model: 'llama3.2',
  created_at: '2026-11-23T10:00:00Z',
  done: true,
  done_reason: 'stop',
  eval_count: 2,
  served: 'model',
  attempts: 1,
  resumed: 0,
  backend: BACKEND,
} as const

/** Says the words one after the other. */
export function say(...words: string[]): Script {
  return async (sink) => {
    for (const text of words) {
      await sink.ready()
      sink.emit({ type: 'delta', text })
    }
  }
}

/** Says the words and is then silent until the call is ended. */
export function hangAfter(...words: string[]): Script {
  return async (sink, call) => {
    await say(...words)(sink, call)
    await untilAborted(call.signal)
  }
}

/** Rejects with the signal's reason once it aborts. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

function report(status: HealthReport['status']): HealthReport {
  return {
    status,
    model: 'llama3.2',
    ageMs: 0,
    waiting: 0,
    backends: [
      {
        url: BACKEND,
        reachable: status === 'up',
        version: '0.24.0',
        inMemory: ['llama3.2:latest'],
        loaded: [
          { name: 'llama3.2:latest', sizeBytes: 3_000, vramBytes: 2_000, expiresAt: '2026-11-23T10:05:00.123456789Z' },
        ],
        checkedAtMs: 1,
        ...(status === 'down' && { problem: `Cannot connect to Ollama at ${BACKEND}. Run: ollama serve` }),
        breaker: { state: 'closed', failures: 0, sinceAtMs: 1 },
      },
    ],
  }
}
