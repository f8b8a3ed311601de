import { createStandIn, type StandIn, type StandInOptions } from '@surefoot/testing'

import { scriptedAnswer, textToTokens } from '../src/mentor/scripted-answers.ts'
import type { PageFiles } from '../src/page-files.ts'
import type { BreakMode } from '../src/shared/demo-api.ts'
import { startDemo, type Demo, type DemoOptions } from '../src/start-demo.ts'

/** A pace at which a whole answer takes some milliseconds. */
const QUICK = { firstTokenMs: 2, tokensPerSecond: 2000 }

/** Settings under which nothing waits longer than a test may. */
const IMPATIENT = { logLevel: 'silent', timeoutMs: 300, waitForReadyMs: 0, retryDelayMs: 10 } as const

const NO_PAGE: PageFiles = new Map()

/** The demo on its stand-ins, on a free port. */
export function startOnStandIns(options: Partial<DemoOptions> = {}): Promise<Demo> {
  return startDemo({
    backend: { kind: 'stand-in', model: 'llama3.2' },
    port: 0,
    page: NO_PAGE,
    pace: QUICK,
    config: IMPATIENT,
    ...options,
  })
}

/** A demo that takes an Ollama for a real one, and that Ollama. */
export async function startOnOllama(
  options: Partial<DemoOptions> = {},
  ollamaOptions: StandInOptions = {},
): Promise<{ readonly demo: Demo; readonly ollama: StandIn } & AsyncDisposable> {
  const answers = (request: { prompt: string }): string[] => textToTokens(scriptedAnswer(request.prompt))
  const ollama = await createStandIn({ ...QUICK, answers, ...ollamaOptions })
  const demo = await startOnStandIns({ backend: { kind: 'real', urls: [ollama.url], model: 'llama3.2' }, ...options })
  return {
    demo,
    ollama,
    async [Symbol.asyncDispose]() {
      await demo[Symbol.asyncDispose]()
      await ollama[Symbol.asyncDispose]()
    },
  }
}

/** Presses a button of the break bar. */
export async function breakThings(demo: Demo, mode: BreakMode): Promise<void> {
  const response = await postJson(`${demo.url}/demo/fault`, { mode })
  if (!response.ok) throw new Error(await response.text())
}

/** A POST with a JSON body, or with a text as it is. */
export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
