import { createSurefoot } from '@surefoot/core'
import { createStandIn } from '@surefoot/testing'
import { Hono } from 'hono'
import { expect, it } from 'vitest'

import { addMentorRoutes } from './mentor-routes.ts'

it('a question that is too long for the model is refused with what to do, and never answered from a part of it', async () => {
  await using ollama = await createStandIn({ models: [{ name: 'llama3.2', details: { context_length: 512 } }] })
  await using surefoot = createSurefoot({ backends: ollama.url, logLevel: 'silent' }, { env: {} })
  const app = new Hono()
  addMentorRoutes(app, { surefoot, model: 'llama3.2', withShownAddresses: (text) => text })
  for (const words of [100, 600, 1_000, 5_000]) {
    const message = 'alpha '.repeat(words)
    const body = JSON.stringify({ message, class_number: 1 })
    const response = await app.request('/api/mentor/chat', { method: 'POST', body })
    const answer = (await response.json()) as { success: boolean }
    if (words === 100) expect([response.status, answer.success]).toEqual([200, true])
    else {
      expect(response.status).toBe(422)
      expect(answer.success).toBe(false)
      expect(JSON.stringify(answer)).toContain('llama3.2 takes at most 512 tokens: shorten the conversation')
    }
  }
  expect(ollama.counts.cutPrompts).toBe(0)
})
