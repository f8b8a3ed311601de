import { describe, expect, it } from 'vitest'

import { runScript } from './script.ts'
import { answerTo, failureOf, read, startPair, until } from './setup.ts'

describe('close', () => {
  it('lets running and waiting calls end, takes no new ones, and closes every socket', async () => {
    await using pair = await startPair({ tokensPerSecond: 200 })
    const { ollama, surefoot } = pair
    await surefoot.health()
    const calls = [0, 1, 2].map((n) => surefoot.chat(`${n}`))
    const streamed = read(surefoot, 'streamed')
    await until(() => ollama.counts.tokens > 3)
    const closing = surefoot.close()
    expect(await failureOf(surefoot.chat('late'))).toMatchObject({
      code: 'SHUTTING_DOWN',
      message: 'Surefoot is shutting down and takes no new calls.',
    })
    expect((await read(surefoot, 'late')).failure).toMatchObject({ code: 'SHUTTING_DOWN' })
    const texts = (await Promise.all(calls)).map(({ message }) => message.content)
    expect(texts).toEqual(['0', '1', '2'].map(answerTo))
    expect((await streamed).text).toBe(answerTo('streamed'))
    await closing
    await until(() => ollama.counts.openConnections === 0)
    expect(ollama.counts).toMatchObject({ chats: 4, answered: 4, openRequests: 0 })
  })

  it('can be asked for twice, and by await using', async () => {
    await using pair = await startPair()
    await pair.surefoot.chat('hi')
    await Promise.all([pair.surefoot.close(), pair.surefoot.close()])
    await pair.surefoot.close()
    await pair.surefoot[Symbol.asyncDispose]()
  })

  it('ends although a backend is away, hangs, or its breaker is open', async () => {
    await using pair = await startPair({}, { breakerThreshold: 1, maxRetries: 0, promptRetry: false })
    await pair.ollama.close()
    await failureOf(pair.surefoot.chat('hi'))
    const startMs = performance.now()
    await pair.surefoot.close()
    expect(performance.now() - startMs).toBeLessThan(500)
  })

  it('ends although nobody reads a run, once its deadline is over', async () => {
    await using pair = await startPair({ answerTokens: 100_000, answers: {} })
    pair.surefoot.run('hi', { deadlineMs: 300 })
    const startMs = performance.now()
    await pair.surefoot.close()
    expect(performance.now() - startMs).toBeLessThan(2_000)
  })
})

describe('a process', () => {
  it('ends by itself after close()', async () => {
    await using pair = await startPair()
    const { code, lines, lingeredMs } = await runScript(
      pair.ollama.url,
      `
      const answer = await surefoot.chat('hi')
      await surefoot.health()
      await surefoot.close()
      console.log(answer.message.content)
    `,
    )
    expect({ code, lines }).toEqual({ code: 0, lines: [answerTo('hi')] })
    expect(lingeredMs).toBeLessThan(1_000)
  })

  it('ends by itself without close(): idle sockets and timers keep nobody alive', async () => {
    await using pair = await startPair()
    const { code, lines, lingeredMs } = await runScript(
      pair.ollama.url,
      `
      await surefoot.health()
      console.log((await surefoot.chat('hi')).message.content)
    `,
    )
    expect({ code, lines }).toEqual({ code: 0, lines: [answerTo('hi')] })
    expect(lingeredMs).toBeLessThan(1_000)
  })

  it('ends by itself with an open breaker', async () => {
    const pair = await startPair()
    await pair[Symbol.asyncDispose]()
    const { code, lines, lingeredMs } = await runScript(
      pair.ollama.url,
      `
      console.log((await surefoot.chat('hi').catch((error) => error)).code)
    `,
      { waitForReadyMs: 50, retryDelayMs: 1 },
    )
    expect({ code, lines }).toEqual({ code: 0, lines: ['BREAKER_OPEN'] })
    expect(lingeredMs).toBeLessThan(1_000)
  })

  it('ends by itself after callers have left the queue and the wait for a backend', async () => {
    const pair = await startPair()
    await pair[Symbol.asyncDispose]()
    const { code, lines, lingeredMs } = await runScript(
      pair.ollama.url,
      `
      const controller = new AbortController()
      const calls = [1, 2, 3].map((n) => surefoot.run('hi', { signal: controller.signal }))
      for await (const event of calls[0]) if (event.type === 'queued') break
      controller.abort()
      await Promise.allSettled(calls.map(({ answer }) => answer))
      console.log('left')
    `,
      { waitForReadyMs: 60_000, earlyClose: false },
    )
    expect({ code, lines }).toEqual({ code: 0, lines: ['left'] })
    expect(lingeredMs).toBeLessThan(1_000)
  })

  it('stays while a call waits for its backend', async () => {
    await using pair = await startPair({ firstTokenMs: 700 })
    const { code, lines } = await runScript(
      pair.ollama.url,
      `
      surefoot.chat('hi').then(({ message }) => console.log(message.content))
    `,
    )
    expect({ code, lines }).toEqual({ code: 0, lines: [answerTo('hi')] })
  })
})
