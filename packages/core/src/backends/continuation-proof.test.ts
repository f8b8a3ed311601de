import type { ChatRequest } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import { expect, it } from 'vitest'

import { proveContinuation } from './continuation-proof.ts'
import type { Ask } from './continuation-proof.ts'
import { RequestBroken } from './post-whole.ts'

const REQUEST: ChatRequest = {
  model: 'llama3.2',
  messages: [{ role: 'user', content: 'Hello' }],
  options: { num_ctx: 8_192, temperature: 0.7, seed: 5 },
}
const TEXT =
  'Water rises from the sea as vapour, and it falls as rain on hills and fields, until rivers bring it back again.'

function askAt(url: string): Ask {
  return async (path, body) => {
    const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
    return { status: answer.status, body: await answer.text() }
  }
}

for (const prefill of ['continue', 'echo', 'new-turn'] as const) {
  it(`does not make Ollama load the model anew where a half answer means: ${prefill}`, async () => {
    await using ollama = await createStandIn({
      answers: () => TEXT,
      loadMs: 1,
      models: [{ name: 'llama3.2', prefill }],
    })
    const ask = askAt(ollama.url)
    await ask('/api/chat', { ...REQUEST, stream: false })
    expect(await proveContinuation(ask, REQUEST)).not.toBe('none')
    expect(ollama.counts.loads).toBe(1)
  })
}

it('says nothing about a model whose backend is too busy to render its prompt', async () => {
  await using ollama = await createStandIn({ answers: () => TEXT })
  const ask: Ask = async (path, body) =>
    '_debug_render_only' in body
      ? { status: 503, body: '{"error":"server busy"}' }
      : await askAt(ollama.url)(path, body)
  await expect(proveContinuation(ask, REQUEST)).rejects.toThrow(RequestBroken)
})
