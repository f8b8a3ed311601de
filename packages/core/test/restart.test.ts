import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, inParallel, pause, startPair, until } from './setup.ts'

describe('a backend that restarts', () => {
  for (const { downMs, width } of [
    { downMs: 0, width: 1 },
    { downMs: 0, width: 20 },
    { downMs: 300, width: 1 },
    { downMs: 300, width: 20 },
    { downMs: 1_600, width: 1 },
    { downMs: 1_600, width: 5 },
    { downMs: 1_600, width: 20 },
  ]) {
    it(`away for ${downMs} ms under ${width} buffered caller(s): all answered, soon after the return`, async () => {
      // Several callers soon open the breaker, and wait for it; few sleep 1 and then 2 s, and are woken.
      await using pair = await startPair({ slots: 4, tokensPerSecond: 500 }, { slots: 4 })
      const { ollama, surefoot } = pair
      let backAtMs = Number.POSITIVE_INFINITY
      let firstAfterMs = Number.POSITIVE_INFINITY
      let isBack = false
      const work = inParallel(Number.POSITIVE_INFINITY, width, async (index) => {
        if (isBack && firstAfterMs < Number.POSITIVE_INFINITY) throw new Done()
        const { message } = await surefoot.chat(`number ${index}`)
        expect(message.content).toBe(answerTo(`number ${index}`))
        if (isBack) firstAfterMs = Math.min(firstAfterMs, performance.now())
      })
      const finished = work.catch((error: unknown) => {
        if (!(error instanceof Done)) throw error
      })
      await until(() => ollama.counts.tokens > 50)
      await ollama.restart({ downMs })
      backAtMs = performance.now()
      isBack = true
      await finished
      expect(firstAfterMs - backAtMs).toBeLessThan(1_000)
      await surefoot.close()
    })
  }

  it('is noticed soon also while new calls keep coming', async () => {
    await using pair = await startPair({ slots: 4 }, { slots: 4 })
    const { ollama, surefoot } = pair
    await ollama.fault(faults.refuse())
    const calls = Array.from({ length: 8 }, (_, n) => surefoot.chat(`${n}`))
    // The first probe of the last backend, after 1 s, is refused; the next one would be 2 s later.
    await pause(1_200)
    // Or the probe is just under way.
    await until(async () => (await surefoot.backends())[0]!.breaker.state === 'open')
    await ollama.fault()
    const backAtMs = performance.now()
    let answered = false
    while (!answered) {
      calls.push(surefoot.chat('more'))
      void calls.at(-1)!.then(() => (answered = true))
      await pause(5)
      expect(performance.now() - backAtMs).toBeLessThan(1_000)
    }
    await Promise.all(calls)
  })

  it('a port that is closed for a few milliseconds costs few milliseconds', async () => {
    await using pair = await startPair({ slots: 4 }, { slots: 4, retryDelayMs: 10 })
    const twentyCalls = () => Array.from({ length: 20 }, (_, n) => pair.surefoot.chat(`${n}`))
    let [calmMs, closedMs] = [0, 0]
    for (let round = 0; round < 5; round++) {
      // What the calls themselves take, on this machine and now, is no cost of the closed port.
      const calmSinceMs = performance.now()
      await Promise.all(twentyCalls())
      const closedSinceMs = performance.now()
      await pair.ollama.fault(faults.refuse())
      const calls = twentyCalls()
      await until(async () => (await pair.surefoot.backends())[0]!.breaker.state === 'open')
      await pair.ollama.fault()
      await Promise.all(calls)
      calmMs += closedSinceMs - calmSinceMs
      closedMs += performance.now() - closedSinceMs
    }
    expect((closedMs - 2 * calmMs) / 5).toBeLessThan(250)
  })
})

describe('backends that are away again and again, or all at once', () => {
  it('one that restarts every second for 80 ms: every buffered caller is answered', async () => {
    await using ollama = await createStandIn({ answers, slots: 2, tokensPerSecond: 2_000, loadMs: 20 })
    await using surefoot = createSurefoot(
      { backends: ollama.url, slots: 2, retryDelayMs: 50, logLevel: 'silent' },
      { env: {} },
    )
    let isOver = false
    const callers = inParallel(3, 3, async (caller) => {
      for (let call = 0; !isOver; call++) {
        const question = `number ${caller} ${call}`
        expect((await surefoot.chat(question)).message.content).toBe(answerTo(question))
      }
    })
    for (let restart = 0; restart < 5; restart++) {
      await pause(920)
      await ollama.restart({ downMs: 80 })
    }
    isOver = true
    await callers
  })

  it('all three for 1.5 s: every caller is answered, the first within a second of the return', async () => {
    const parts = new AsyncDisposableStack()
    await using _ = parts
    const start = async () => parts.use(await createStandIn({ answers, slots: 2, loadMs: 50, tokensPerSecond: 2_000 }))
    const three = [await start(), await start(), await start()]
    const backends = three.map(({ url }) => url)
    const surefoot = parts.use(createSurefoot({ backends, slots: 2, logLevel: 'silent' }, { env: {} }))
    await inParallel(6, 6, async (index) => void (await surefoot.chat(`hello ${index}`)))
    let firstAtMs = Number.POSITIVE_INFINITY
    let backAtMs = Number.POSITIVE_INFINITY
    const back = Promise.all(three.map((ollama) => ollama.restart({ downMs: 1_500 }))).then(() => {
      backAtMs = performance.now()
    })
    await inParallel(100, 20, async (index) => {
      const { message } = await surefoot.chat(`number ${index}`)
      expect(message.content).toBe(answerTo(`number ${index}`))
      firstAtMs = Math.min(firstAtMs, performance.now())
    })
    await back
    expect(firstAtMs - backAtMs).toBeLessThan(1_000)
  })
})

class Done extends Error {}
