import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig, SurefootDeps } from '@surefoot/core'
import { SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput, RunEvent } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import type { AnswerRequest, StandIn, StandInOptions } from '@surefoot/testing'

/** A stand-in Ollama and a Surefoot before it. */
export interface Pair extends AsyncDisposable {
  readonly ollama: StandIn
  readonly surefoot: LocalSurefoot
}

/** What the stand-in says to a question, so that an answer that is short or not one's own is noticed. */
export function answerTo(question: string): string {
  return `You said ${question}. That is a fine thing to say, and here are some more words to make it long.`
}

export const answers = ({ prompt }: AnswerRequest): string => answerTo(prompt)

export async function startPair(
  options: StandInOptions = {},
  config: SurefootConfig = {},
  deps: SurefootDeps = {},
): Promise<Pair> {
  const ollama = await createStandIn({ answers, ...options })
  const surefoot = createSurefoot({ backends: ollama.url, logLevel: 'silent', ...config }, { env: {}, ...deps })
  return {
    ollama,
    surefoot,
    async [Symbol.asyncDispose]() {
      await ollama.close()
      await surefoot.close()
    },
  }
}

/** Waits until something is true, looking once a turn of the event loop; the time is for a test that hangs. */
export async function until(isTrue: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const startMs = performance.now()
  while (!(await isTrue())) {
    if (performance.now() - startMs > withinMs) throw new Error(`not true within ${withinMs} ms: ${isTrue.toString()}`)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** The error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<SurefootError> {
  const failure = await call.then(
    () => new Error('it was answered'),
    (error: unknown) => error,
  )
  if (!SurefootError.is(failure)) throw failure
  return failure
}

/** What a reader of a run sees: its events, and its failure if it has one. */
export async function read(
  surefoot: LocalSurefoot,
  input: ChatInput,
  options: CallOptions = {},
): Promise<{ readonly events: RunEvent[]; readonly text: string; readonly failure: unknown }> {
  const events: RunEvent[] = []
  let failure: unknown
  try {
    for await (const event of surefoot.run(input, options)) events.push(event)
  } catch (error) {
    failure = error
  }
  const text = events.map((event) => (event.type === 'delta' ? event.text : '')).join('')
  return { events, text, failure }
}

/** Runs a job for 0, 1, 2 … so many at a time. */
export async function inParallel(total: number, width: number, job: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < total) await job(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
