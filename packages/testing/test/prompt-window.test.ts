import { describe, expect, it } from 'vitest'

import { createStandIn } from '../src/index.ts'
import type { OllamaVersion, StandInSettings } from '../src/index.ts'
import { ask } from './requests.ts'

const user = (words: number): object => ({ role: 'user', content: 'alpha '.repeat(words).trim() })

/** One question of so many words, or these messages. */
async function asked(settings: StandInSettings, body: object) {
  await using standIn = await createStandIn(settings)
  const answer = await ask(standIn.url, { body: { stream: false, ...body } })
  return { status: answer.status, ...JSON.parse(answer.text), cut: standIn.counts.cutPrompts }
}

describe('a prompt that is longer than its context', () => {
  it.each<[OllamaVersion, number]>([
    ['0.32.15', 2_050],
    ['0.24.0', 4_096],
    ['0.12.5', 4_096],
  ])('is cut without a word by %s, as recorded: context-overflow-20k', async (version, left) => {
    expect(await asked({ version }, { messages: [user(12_000)] })).toMatchObject({
      status: 200,
      prompt_eval_count: left,
      cut: 1,
    })
  })

  it('loses its oldest messages and keeps what the system said', async () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, user(3_000), user(1_000), user(500)]
    const heard: unknown[] = []
    const answers = (request: { messages: readonly object[] }): string => {
      heard.push(request.messages)
      return 'Yes.'
    }
    expect(await asked({ answers }, { messages })).toMatchObject({ status: 200, cut: 1 })
    expect(heard).toEqual([[messages[0], messages[2], messages[3]]])
  })

  it('is refused with `truncate: false`, where that is known', async () => {
    const body = { messages: [user(12_000)], truncate: false }
    const { status, error } = await asked({ version: '0.32.15' }, body)
    expect(status).toBe(400)
    expect(JSON.parse(error).error).toMatchObject({ type: 'exceed_context_size_error', n_ctx: 4_096 })
    expect(await asked({ version: '0.24.0' }, body)).toMatchObject({
      status: 400,
      error: 'the input length exceeds the context length',
      cut: 0,
    })
    expect(await asked({ version: '0.12.5' }, body)).toMatchObject({ status: 200, cut: 1 })
  })

  it('fits when the request, the model or the server names enough, but never more than the model takes', async () => {
    const body = { messages: [user(5_000)] }
    const named = { ...body, options: { num_ctx: 8_192 } }
    const models = (more: object) => [{ name: 'llama3.2', ...more }]
    expect(await asked({}, body)).toMatchObject({ cut: 1 })
    expect(await asked({}, named)).toMatchObject({ cut: 0 })
    expect(await asked({ contextLength: 8_192 }, body)).toMatchObject({ cut: 0 })
    expect(await asked({ models: models({ numCtx: 8_192 }) }, body)).toMatchObject({ cut: 0 })
    expect(await asked({ models: models({ details: { context_length: 512 } }) }, named)).toMatchObject({ cut: 1 })
  })
})

describe('the context a model has', () => {
  it('is listed, and another one is another load', async () => {
    await using standIn = await createStandIn({})
    const listed = async () => JSON.parse((await ask(standIn.url, { path: '/api/ps' })).text).models[0].context_length
    for (const num_ctx of [undefined, 4_096, 8_192, 8_192]) await ask(standIn.url, { body: { options: { num_ctx } } })
    expect(await listed()).toBe(8_192)
    expect(standIn.counts.loads).toBe(1)
  })

  it('cannot be larger than the memory', async () => {
    const { status, error } = await asked({ mostContext: 4_096 }, { options: { num_ctx: 8_192 } })
    expect(status).toBe(500)
    expect(error).toMatch(/requires more system memory/)
  })
})
