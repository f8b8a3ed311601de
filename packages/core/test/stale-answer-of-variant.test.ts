import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { expect, it } from 'vitest'

import { answerTo, answers } from './setup.ts'

it('finds the older answer of the variant that a caller gets, though its options are not the caller’s', async () => {
  await using ollama = await createStandIn({ answers, models: [{ name: 'a' }, { name: 'b' }] })
  await using surefoot = createSurefoot(
    {
      backends: ollama.url,
      model: 'a',
      degradeToCache: true,
      waitForReadyMs: 0,
      logLevel: 'silent',
      experiments: [
        {
          name: 'voice',
          variants: [
            { model: 'a', options: { temperature: 1 } },
            { model: 'b', options: { temperature: 0.1 } },
          ],
        },
      ],
    },
    { env: {} },
  )
  // Both variants are among so many.
  const people = Array.from({ length: 12 }, (_, index) => `person ${index}`)
  const asked = await Promise.all(people.map((stickyKey) => surefoot.chat('What is water?', { stickyKey })))
  expect(new Set(asked.map(({ variant }) => variant))).toEqual(new Set(['voice/a', 'voice/b']))
  await ollama.fault(faults.refuse())
  for (const [index, stickyKey] of people.entries()) {
    const older = await surefoot.chat('What is water?', { stickyKey })
    expect(older).toMatchObject({
      served: 'cache',
      model: asked[index]?.model,
      cachedAtMs: expect.any(Number) as number,
    })
    expect(older.message.content).toBe(answerTo('What is water?'))
  }
})
