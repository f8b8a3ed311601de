import { createServer } from '@surefoot/server'
import { expect, test } from 'vitest'

import { createFakeSurefoot } from '../test/fake-surefoot.ts'
import { createClient } from './client.ts'

test('a question is answered whole', async () => {
  const fake = createFakeSurefoot()
  await using server = await createServer({ surefoot: fake, port: 0 })
  const answer = await createClient({ url: server.url }).chat('What is water?')
  expect(answer).toMatchObject({ message: { content: 'What is water?' }, served: 'model', id: 'server-run' })
})
