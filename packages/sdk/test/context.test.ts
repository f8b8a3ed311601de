import { createSurefoot } from '@surefoot/core'
import { SurefootError } from '@surefoot/protocol'
import { createServer } from '@surefoot/server'
import { createStandIn } from '@surefoot/testing'
import { expect, test } from 'vitest'

import { createClient } from '../src/client.ts'

/** So many words, which are as many tokens. */
const messagesOf = (words: number) => [{ role: 'user', content: 'alpha '.repeat(words).trim() }]

test.each(['0.32.15', '0.24.0', '0.12.5'] as const)(
  'a prompt that does not fit is an error with what it needs, what there is and the mend; never an answer (%s)',
  async (version) => {
    await using ollama = await createStandIn({
      version,
      models: [{ name: 'llama3.2', details: { context_length: 512 } }],
    })
    await using surefoot = createSurefoot({ backends: ollama.url, logLevel: 'silent' }, { env: {} })
    const server = await createServer({ surefoot, port: 0 })
    // A text of its own instead of an error is for when the service is away, which it is not.
    await using client = createClient({ url: server.url, fallback: 'Sorry.' })
    try {
      await client.health({ force: true })
      for (const words of [100, 300]) {
        expect((await client.chat({ messages: messagesOf(words) })).prompt_eval_count).toBeGreaterThanOrEqual(words)
      }
      for (const words of [520, 1_000, 5_000]) {
        for (const buffered of [true, false]) {
          const failure: unknown = await client
            .run({ messages: messagesOf(words) }, { buffered })
            .answer.catch((error: unknown) => error)
          expect(SurefootError.is(failure)).toBe(true)
          expect(failure).toMatchObject({
            code: 'CONTEXT_OVERFLOW',
            availableTokens: 512,
            hint: 'llama3.2 takes at most 512 tokens: shorten the conversation, or use a model that takes more.',
          })
          expect((failure as SurefootError).neededTokens).toBeGreaterThan(512)
        }
      }
    } finally {
      await server.close({ drainMs: 0 })
    }
  },
)
