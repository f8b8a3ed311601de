import { describe, expect, it } from 'vitest'

import { failureOf, startPair } from './setup.ts'

const SMALL = [{ name: 'llama3.2', details: { context_length: 512 } }]
/** A question of so many words of three bytes, which are as many tokens. */
const words = (count: number): { readonly role: string; readonly content: string } => ({
  role: 'user',
  content: 'an '.repeat(count).trim(),
})

describe('an Ollama that cuts without a word, and a model that takes less than is usual', () => {
  it.each([true, false])(
    'no answer comes from a part of the prompt, whatever context is named (buffered: %s)',
    async (buffered) => {
      await using pair = await startPair({ version: '0.12.5', models: SMALL })
      const { ollama, surefoot } = pair
      await surefoot.health({ force: true })
      const ask = async (count: number, num_ctx: number | undefined): Promise<unknown> =>
        await failureOf(surefoot.run({ messages: [words(count)], options: { num_ctx } }, { buffered }).answer)
      const overflow = { code: 'CONTEXT_OVERFLOW', availableTokens: 512 }
      // Fewer bytes than the usual context has tokens, and more tokens than this model takes.
      expect(await ask(540, undefined)).toMatchObject(overflow)
      // Fewer bytes than the context that is named has tokens.
      expect(await ask(700, 8_192)).toMatchObject(overflow)
      expect(ollama.counts.cutPrompts).toBeGreaterThan(0)
    },
  )
})
