import { createChat, createRun } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ExperimentReport, Surefoot, SurefootError } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'

import { addPageRoutes, type PageFiles } from '../src/page-files.ts'
import type { DemoInfo } from '../src/shared/demo-api.ts'

/** How the next question ends: as this answer says of itself, or with an error. */
export type Ending = Partial<ChatAnswer> | SurefootError

/** A server with the page whose answers come about as a test wants it, without any backend. */
export interface ScriptedDemo extends AsyncDisposable {
  readonly url: string
  ending: Ending
  experiments: readonly ExperimentReport[]
  info: DemoInfo
  /** What was said beside each question, and how many messages came with it. */
  readonly calls: (CallOptions & { readonly messages: number })[]
  readonly judged: { readonly runId: string; readonly isGood: boolean }[]
  /** What a judgement gets as its answer; `undefined` for a server that fails. */
  counts: boolean | undefined
}

const BACKEND = 'http://127.0.0.1:11434'

const INFO: DemoInfo = {
  kind: 'stand-in',
  backends: [{ url: BACKEND, shownAs: BACKEND }],
  model: 'llama3.2',
  mode: 'none',
  requests: 12,
  broken: 0,
  ladder: { models: ['llama3.2:1b'], cache: true },
  hasCache: true,
  cache: { entries: 4, bytes: 6144, hits: 3, joined: 2 },
  answers: { model: 9, cache: 3, degraded: 1, fallback: 0 },
}

const TEXT = 'Water is something you meet every single day.'

/** Starts it on a free port. */
export async function startScripted(page: PageFiles): Promise<ScriptedDemo> {
  const run: Surefoot['run'] = (input, options = {}) => {
    demo.calls.push({ ...options, messages: typeof input === 'string' ? 1 : input.messages.length })
    const id = options.runId ?? crypto.randomUUID()
    return createRun(
      id,
      async (sink) => {
        const { ending } = demo
        if (ending instanceof Error) throw ending
        const answer: ChatAnswer = {
          model: 'llama3.2',
          created_at: '2026-11-23T10:00:00Z',
          message: { role: 'assistant', content: TEXT },
          done: true,
          id,
          served: 'model',
          attempts: 1,
          resumed: 0,
          backend: BACKEND,
          eval_count: 40,
          eval_duration: 1_000_000_000,
          ...ending,
        }
        if (answer.attempts > 0) sink.emit({ type: 'attempt', attempt: 1, backend: BACKEND })
        sink.emit({ type: 'delta', text: answer.message.content })
        sink.emit({ type: 'finish', answer })
        return answer
      },
      () => {},
    )
  }
  const surefoot: Surefoot = {
    run,
    chat: createChat(run),
    health: async () => ({ status: 'up', model: 'llama3.2', ageMs: 0, waiting: 0, backends: [] }),
    models: async () => [],
    backends: async () => [],
    experiments: async () => [...demo.experiments],
    async feedback(runId, isGood) {
      if (demo.counts === undefined) throw new Error('The server has a fault.')
      demo.judged.push({ runId, isGood })
      return demo.counts
    },
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const server = await createServer({
    surefoot,
    port: 0,
    drainMs: 0,
    extraRoutes(app) {
      app.get('/demo/info', (context) => context.json(demo.info))
      addPageRoutes(app, page)
    },
  })
  const demo: ScriptedDemo = {
    url: server.url,
    ending: {},
    experiments: [],
    info: INFO,
    calls: [],
    judged: [],
    counts: true,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  return demo
}
