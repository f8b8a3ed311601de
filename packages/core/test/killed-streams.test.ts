import { createSurefoot } from '@surefoot/core'
import { createStandIn } from '@surefoot/testing'
import { expect, it } from 'vitest'

import { answerTo, answers, inParallel, pause, read } from './setup.ts'

const STREAMS = 200

it('three backends, one killed every 200 ms in mid-stream: every stream is whole, none has a character twice', async () => {
  const parts = new AsyncDisposableStack()
  await using _ = parts
  const start = async () => parts.use(await createStandIn({ answers, slots: 2, tokensPerSecond: 500, loadMs: 10 }))
  const three = [await start(), await start(), await start()]
  const backends = three.map(({ url }) => url)
  const surefoot = parts.use(
    createSurefoot({ backends, slots: 2, retryDelayMs: 20, retryBudget: 0, logLevel: 'silent' }, { env: {} }),
  )
  await Promise.all(backends.map((url) => surefoot.chat(`hello, ${url}`)))
  let isOver = false
  const killing = (async () => {
    for (let round = 0; !isOver; round++) {
      await pause(200)
      await three[round % 3]!.restart({ downMs: 50 })
    }
  })()
  const broken: unknown[] = []
  const wrong: string[] = []
  let resumed = 0
  await inParallel(STREAMS, 5, async (index) => {
    const right = answerTo(`number ${index}`)
    const { text, failure, events } = await read(surefoot, `number ${index}`)
    if (!right.startsWith(text) || (failure === undefined && text !== right)) wrong.push(text)
    if (failure !== undefined) broken.push(failure)
    resumed += events.filter(({ type }) => type === 'resumed').length
  })
  isOver = true
  await killing
  expect(wrong).toEqual([])
  expect(broken).toEqual([])
  expect(resumed).toBeGreaterThan(5)
}, 30_000)
