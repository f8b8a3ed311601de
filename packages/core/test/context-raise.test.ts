import { createSurefoot } from '@surefoot/core'
import type { ChatRequest } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import type { OllamaVersion, StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { failureOf, read, startPair } from './setup.ts'

const VERSIONS: readonly OllamaVersion[] = ['0.32.15', '0.24.0', '0.12.5']
const LARGE = [{ name: 'llama3.2', details: { context_length: 131_072 } }]
const SHORT = { '*': 'That is a fine thing to say, and here are some more words.' }
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
    answers: SHORT,
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

describe('first calls of all lengths at once', () => {
  it.each([20, 4, 1])('also when many of them are left, with %s slots that are in truth 1', async (slots) => {
    for (const leaveMs of [0, 5, 15, 40]) {
      await using pair = await startPair({ models: LARGE, loadMs: 20, firstTokenMs: 5, answers: SHORT }, { slots })
      const { ollama, surefoot } = pair
      const asked = Array.from({ length: 40 }, async (_, at) => {
        const signal = at % 3 === 0 ? AbortSignal.timeout(leaveMs + at) : undefined
        const count = LENGTHS[at % LENGTHS.length] as number
        const { failure } = await read(surefoot, words(count), { signal })
        if (signal?.aborted !== true) expect(failure).toBeUndefined()
      })
      await Promise.all(asked)
      const { loads, abortedLoads } = ollama.counts
      expect(loads + abortedLoads).toBeLessThanOrEqual(1 + rungsOf(ollama).size)
    }
  })

  it.each(VERSIONS)(
    'where memory does not suffice for the largest, only those that need it fail (%s)',
    async (version) => {
      const options = {
        version,
        models: LARGE,
        loadMs: 20,
        firstTokenMs: 2,
        answers: SHORT,
        mostContext: 8_192,
        slots: 4,
      }
      await using pair = await startPair(options, { slots: 20 })
      const { ollama, surefoot } = pair
      await surefoot.health({ force: true })
      const asked = Array.from({ length: 30 }, async (_, at) => {
        const count = [60, 1_000, 10_000][at % 3] as number
        if (count < 8_192) expect((await surefoot.chat(words(count))).prompt_eval_count).toBeGreaterThanOrEqual(count)
        else expect(await failureOf(surefoot.chat(words(count)))).toMatchObject({ code: 'CONTEXT_OVERFLOW' })
      })
      await Promise.all(asked)
      const { loads, cutPrompts } = ollama.counts
      // What is taken back may have to be loaded once more.
      expect(loads).toBeLessThanOrEqual(2 + rungsOf(ollama).size)
      if (version !== '0.12.5') expect(cutPrompts).toBe(0)
    },
  )
})
