import { setTimeout as sleep } from 'node:timers/promises'

import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot } from '@surefoot/core'

import { isDoubledAt } from './doubled-text.ts'
import { RealOllama } from './real-ollama.ts'

/** What is done to them. */
export interface KillRunOptions {
  /** `ollama`, or the path of it. */
  readonly binary: string
  readonly model: string
  readonly streams: number
  /** Streams at a time. */
  readonly atOnce: number
  /** One is killed every so many milliseconds, the next one each time. */
  readonly killEveryMs: number
  readonly restartAfterMs: number
  /** Called after each stream. */
  readonly onProgress?: (done: number, result: KillRunResult) => void
  readonly signal?: AbortSignal
}

/** What came of it. */
export interface KillRunResult {
  whole: number
  /** Whole, and to the character what the model says when nothing is killed. */
  exact: number
  broken: string[]
  doubled: number
  resumed: number
  retried: number
  kills: number
}

const SUBJECTS = ['water', 'the moon', 'a bee', 'salt', 'the wind', 'a clock', 'iron', 'a tree', 'snow', 'the heart']

/** So many tokens at the most: long enough to be cut, short enough for a thousand of them. */
const TOKENS = 80

/**
 * Streams from three real Ollamas while one after the other is ended by `kill -9` with its runner and started again:
 * item 2 of what is to be shown, on the real thing. Each text is compared with what the model says undisturbed.
 */
export async function killRun(options: KillRunOptions): Promise<KillRunResult> {
  const { binary, model, streams, atOnce, onProgress, signal } = options
  await using stack = new AsyncDisposableStack()
  const ollamas: RealOllama[] = []
  for (let index = 0; index < 3; index++) ollamas.push(stack.use(await RealOllama.start(binary)))
  const surefoot = stack.use(
    createSurefoot({ backends: ollamas.map(({ url }) => url), model, slots: 1, logLevel: 'silent' }, { env: {} }),
  )
  const undisturbed = new Map<string, string>()
  for (const subject of SUBJECTS) undisturbed.set(subject, (await surefoot.chat(question(subject))).message.content)

  const result: KillRunResult = { whole: 0, exact: 0, broken: [], doubled: 0, resumed: 0, retried: 0, kills: 0 }
  const over = new AbortController()
  const stop = AbortSignal.any([over.signal, ...(signal === undefined ? [] : [signal])])
  const killing = killInTurn(ollamas, options, stop, () => result.kills++)
  let next = 0
  let done = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < streams && !stop.aborted) {
        const subject = SUBJECTS[next++ % SUBJECTS.length] as string
        await stream(surefoot, subject, undisturbed.get(subject) as string, result)
        onProgress?.(++done, result)
      }
    }),
  )
  over.abort()
  await killing
  return result
}

function question(subject: string) {
  return {
    messages: [{ role: 'user', content: `Tell me about ${subject}.` }],
    options: { temperature: 0, seed: 1, num_predict: TOKENS },
  }
}

async function stream(surefoot: LocalSurefoot, subject: string, whole: string, result: KillRunResult): Promise<void> {
  let text = ''
  const seams: number[] = []
  try {
    for await (const event of surefoot.run(question(subject), { deadlineMs: 120_000 })) {
      if (event.type === 'delta') text += event.text
      else if (event.type === 'resumed') seams.push(event.atChar)
      else if (event.type === 'attempt' && event.attempt > 1) result.retried++
      else if (event.type === 'finish') result.whole++
    }
  } catch (error) {
    result.broken.push(String(error))
  }
  if (text === whole) result.exact++
  result.resumed += seams.length
  if (seams.some((atChar) => isDoubledAt(text, atChar, whole))) result.doubled++
}

async function killInTurn(
  ollamas: readonly RealOllama[],
  { killEveryMs, restartAfterMs }: KillRunOptions,
  signal: AbortSignal,
  onKill: () => void,
): Promise<void> {
  for (let turn = 0; ; turn++) {
    const ollama = ollamas[turn % ollamas.length] as RealOllama
    try {
      await sleep(killEveryMs - restartAfterMs, undefined, { signal })
      onKill()
      await ollama.kill()
      await sleep(restartAfterMs, undefined, { signal })
    } catch {
      return
    }
    await ollama.start()
  }
}
