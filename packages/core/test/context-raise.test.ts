import { createSurefoot } from '@surefoot/core'
import type { ChatRequest } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import type { OllamaVersion, StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { read } from './setup.ts'

const VERSIONS: readonly OllamaVersion[] = ['0.32.15', '0.24.0', '0.12.5']
const LARGE = [{ name: 'llama3.2', details: { context_length: 131_072 } }]
/** Tokens of prompts that need the first, the second and the third rung. */
const LENGTHS = [60, 5_000, 200, 10_000, 30, 3_000]

interface Case {
  readonly calls: number
  readonly backends: number
  readonly slots: number
  /** Slots that Ollama has in truth, where these are others: who finds none waits inside it. */
  readonly realSlots?: number
  /** 0: the model is in memory from the start. @default 20 */
  readonly loadMs?: number
}

const CASES: readonly Case[] = [
  { calls: 20, backends: 1, slots: 1 },
  { calls: 20, backends: 1, slots: 2 },
  { calls: 50, backends: 1, slots: 4 },
  { calls: 50, backends: 1, slots: 4, realSlots: 1 },
  { calls: 20, backends: 1, slots: 20, loadMs: 0 },
  { calls: 50, backends: 1, slots: 20, realSlots: 4 },
  { calls: 50, backends: 1, slots: 20, realSlots: 1, loadMs: 0 },
  { calls: 20, backends: 3, slots: 1 },
  { calls: 50, backends: 3, slots: 2 },
  { calls: 50, backends: 3, slots: 4, realSlots: 1 },
]

function words(count: number): ChatRequest {
  return { messages: [{ role: 'user', content: 'alpha '.repeat(count).trim() }] }
}

/** The contexts that were named to a backend, in tokens. */
function rungsOf({ log }: StandIn): Set<number> {
  const named = log.map(({ body }) => (body as { options?: { num_ctx?: number } } | undefined)?.options?.num_ctx)
  return new Set(named.filter((numCtx) => numCtx !== undefined))
}

async function startAll(given: Case, version: OllamaVersion): Promise<StandIn[]> {
  const options = {
    version,
    models: LARGE,
    slots: given.realSlots ?? given.slots,
    loadMs: given.loadMs ?? 20,
    firstTokenMs: 2,
    answers: { '*': 'That is a fine thing to say, and here are some more words.' },
  }
  return await Promise.all(Array.from({ length: given.backends }, () => createStandIn(options)))
}

describe.each(VERSIONS)('first calls of all lengths at once, Ollama %s', (version) => {
  it.each(CASES)(
    '$calls calls, $backends backends with $slots slots (in truth $realSlots): a load a rung, and none cut',
    async (given) => {
      const ollamas = await startAll(given, version)
      const backends = ollamas.map(({ url }) => url)
      const surefoot = createSurefoot({ backends, slots: given.slots, logLevel: 'silent' }, { env: {} })
      try {
        // A stream of an Ollama that cannot refuse is only known to be cut when it has been shown.
        if (version === '0.12.5') await surefoot.health({ force: true })
        const asked = Array.from({ length: given.calls }, async (_, at) => {
          const count = LENGTHS[at % LENGTHS.length] as number
          const { events, failure } = await read(surefoot, words(count), { buffered: at % 4 === 0 })
          expect(failure).toBeUndefined()
          const finish = events.find((event) => event.type === 'finish')
          expect(finish?.answer.prompt_eval_count).toBeGreaterThanOrEqual(count)
        })
        await Promise.all(asked)
        for (const ollama of ollamas) {
          const { loads, abortedLoads, cutPrompts } = ollama.counts
          expect(loads).toBeLessThanOrEqual(1 + rungsOf(ollama).size)
          expect(rungsOf(ollama).size).toBeLessThanOrEqual(3)
          expect(abortedLoads + cutPrompts).toBe(0)
        }
      } finally {
        await Promise.all(ollamas.map((ollama) => ollama.close()))
        await surefoot.close()
      }
    },
  )
})
