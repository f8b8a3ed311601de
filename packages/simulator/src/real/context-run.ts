import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot } from '@surefoot/core'
import { SurefootError } from '@surefoot/protocol'

import { RealOllama } from './real-ollama.ts'

/** What is asked. */
export interface ContextRunOptions {
  /** `ollama`, or the path of it. */
  readonly binary: string
  /** A small model that takes at least 8,192 tokens. */
  readonly model: string
  /** Requests of mixed lengths in the second part. */
  readonly mixed: number
  /** Called with a line for each thing that was tried. */
  readonly onLine: (line: string) => void
}

/** What came of it. */
export interface ContextRunResult {
  /** Answered, each from the whole of its prompt. */
  whole: number
  /** `CONTEXT_OVERFLOW` with what it needs, what there is and the mend. */
  refused: number
  /** Answered from a part of the prompt, or failed otherwise. */
  wrong: string[]
  /** Loads while the mixed requests were answered, the first one included. */
  loads: number
}

/** In words, each of which is a token of its own. */
const WORD = 'alpha'
const LENGTHS = [60, 100, 200, 300, 400, 520, 600, 1_000, 2_500, 5_000]
const MIXED = [20, 20, 300, 20, 900, 20, 300, 4_300, 20, 900]
const SMALL_CONTEXT = 512
/** What loading takes at the least, in nanoseconds; to find a model in memory takes less. */
const LOAD_NS = 300_000_000

/**
 * Item 1 of what is to be shown of contexts, on a real Ollama: prompts of up to 5,000 words to a model of 512 tokens, of
 * which none may be answered from a part of it; then prompts of mixed lengths to a model that takes more, which may cost
 * one load a rung.
 */
export async function contextRun({ binary, model, mixed, onLine }: ContextRunOptions): Promise<ContextRunResult> {
  const result: ContextRunResult = { whole: 0, refused: 0, wrong: [], loads: 0 }
  await using ollama = await RealOllama.start(binary)
  const small = `surefoot-proof-${SMALL_CONTEXT}`
  await tell(ollama, 'POST', '/api/create', { model: small, from: model, parameters: { num_ctx: SMALL_CONTEXT } })
  try {
    await using surefoot = connect(ollama, small, 0)
    for (const words of LENGTHS) {
      for (const buffered of [true, false]) await ask(surefoot, words, buffered, result, onLine)
    }
  } finally {
    await tell(ollama, 'DELETE', '/api/delete', { model: small })
  }
  await using surefoot = connect(ollama, model, 8_192)
  surefoot.telemetry.on((event) => {
    if (event.type === 'load-end') result.loads++
  })
  for (let at = 0; at < mixed; at++) {
    const words = MIXED[at % MIXED.length] as number
    const loadNs = await ask(surefoot, words, at % 2 === 0, result, onLine)
    if (loadNs > LOAD_NS) result.loads++
  }
  return result
}

function connect({ url }: RealOllama, model: string, maxContext: number): LocalSurefoot {
  const config = { backends: url, model, maxContext, slots: 1, timeoutMs: 600_000, logLevel: 'silent' } as const
  return createSurefoot(config, { env: {} })
}

/** @returns how long Ollama says that it loaded, in nanoseconds. */
async function ask(
  surefoot: LocalSurefoot,
  words: number,
  buffered: boolean,
  result: ContextRunResult,
  onLine: (line: string) => void,
): Promise<number> {
  const content = `${WORD} `.repeat(words).trim()
  // One thread: several processes on few cores slow each other down.
  const options = { num_predict: 8, temperature: 0, num_thread: 1 }
  const what = `${words} words, ${buffered ? 'whole' : 'streamed'}`
  try {
    const { prompt_eval_count: count = 0, load_duration } = await surefoot.run(
      { messages: [{ role: 'user', content }], options },
      { buffered },
    ).answer
    if (count >= words) result.whole++
    else result.wrong.push(`${what}: answered from ${count} tokens`)
    onLine(`${what}: answered from ${count} tokens`)
    return load_duration ?? 0
  } catch (error) {
    const known = SurefootError.is(error) ? error : undefined
    const { neededTokens, availableTokens, hint } = known ?? {}
    if (known?.code === 'CONTEXT_OVERFLOW' && neededTokens !== undefined && availableTokens === SMALL_CONTEXT) {
      result.refused++
    } else result.wrong.push(`${what}: ${String(error)}`)
    onLine(`${what}: ${String(error)} ${hint ?? ''}`)
    return 0
  }
}

async function tell({ url }: RealOllama, method: 'POST' | 'DELETE', path: string, body: object): Promise<void> {
  const answer = await fetch(`${url}${path}`, { method, body: JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path} was answered with status ${answer.status}: ${text}`)
}
