import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'

import { createProxy } from './proxy.ts'
import { answerTo, answers, failureOf, inParallel, pause, read, startPair, until } from './setup.ts'

/** Looks into the memory of a backend have a socket of their own. */
const FOR_LOOKS = 1

describe('pool', () => {
  it('uses its sockets again: 200 calls, one at a time, on two', async () => {
    await using pair = await startPair()
    for (let call = 0; call < 200; call++) await pair.surefoot.chat('hi')
    expect(pair.ollama.counts.connections).toBeLessThanOrEqual(2 + FOR_LOOKS)
  })

  it('never has more sockets than poolMaxSize, though more slots are asked for', async () => {
    await using pair = await startPair({ slots: 100, firstTokenMs: 5 }, { slots: 100, poolMaxSize: 6 })
    const { ollama, surefoot } = pair
    let most = 0
    await inParallel(200, 50, async (index) => {
      expect((await surefoot.chat(`${index}`)).message.content).toBe(answerTo(`${index}`))
      most = Math.max(most, ollama.counts.openConnections)
    })
    expect((await surefoot.backends())[0]).toMatchObject({ slots: 6, inFlight: 0 })
    expect(most).toBeLessThanOrEqual(6 + FOR_LOOKS)
    expect(ollama.counts.connections).toBeLessThanOrEqual(6 + FOR_LOOKS)
  })

  it('keeps poolConnections idle sockets; those beyond close after 4 s', async () => {
    await using pair = await startPair({ slots: 8, firstTokenMs: 20 }, { slots: 8, poolConnections: 3 })
    const { ollama, surefoot } = pair
    const startMs = performance.now()
    await Promise.all(Array.from({ length: 8 }, (_, n) => surefoot.chat(`${n}`)))
    expect((await surefoot.backends())[0]!.sockets).toBe(8)
    await until(async () => (await surefoot.backends())[0]!.sockets === 3)
    expect(performance.now() - startMs).toBeGreaterThan(2_500)
    await pause(300)
    expect(ollama.counts.openConnections).toBe(3 + FOR_LOOKS)
  })

  it('leaves all idle sockets behind when one was dead, and streams on them run on', async () => {
    await using pair = await startPair({ slots: 4, firstTokenMs: 20, tokensPerSecond: 100 }, { slots: 4 })
    const { ollama, surefoot } = pair
    await Promise.all(Array.from({ length: 4 }, (_, n) => surefoot.chat(`${n}`)))
    const before = ollama.counts.connections
    const long = read(surefoot, 'a stream that runs on')
    await until(() => ollama.counts.openRequests === 1)
    await ollama.fault(faults.resetReused())
    const texts = await Promise.all(Array.from({ length: 3 }, async (_, n) => (await surefoot.chat(`${n}`)).attempts))
    // One failure is enough to know that the others may be dead too.
    expect(Math.max(...texts)).toBe(2)
    expect(ollama.counts.connections - before).toBeLessThanOrEqual(8)
    expect((await long).text).toBe(answerTo('a stream that runs on'))
    await until(async () => (await surefoot.backends())[0]!.sockets + FOR_LOOKS === ollama.counts.openConnections)
  })

  it('finds a fresh socket when all idle ones were closed while it slept', async () => {
    await using pair = await startPair({ slots: 4, firstTokenMs: 20 }, { slots: 4 })
    const { ollama, surefoot } = pair
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 4 }, (_, n) => surefoot.chat(`${n}`)))
      await ollama.restart()
      const attempts = await Promise.all(Array.from({ length: 4 }, async () => (await surefoot.chat('hi')).attempts))
      expect(Math.max(...attempts)).toBeLessThanOrEqual(3)
    }
  })
})

describe('the address of a backend', () => {
  it('may have a path: it stands before every route', async () => {
    await using ollama = await createStandIn({ answers })
    await using proxy = await createProxy(ollama.url, { prefix: '/gpu/1' })
    await using surefoot = createSurefoot({ backends: `${proxy.url}/gpu/1/`, logLevel: 'silent' }, { env: {} })
    expect((await surefoot.chat('hi')).message.content).toBe(answerTo('hi'))
    expect(await surefoot.health()).toMatchObject({ status: 'up', backends: [{ url: `${proxy.url}/gpu/1` }] })
    const paths = ['/gpu/1/api/chat', '/gpu/1/api/ps', '/gpu/1/api/tags', '/gpu/1/api/version']
    expect([...new Set(proxy.seen.map(({ url }) => url))].toSorted()).toEqual(paths)
  })

  it('may hold a user and a password: they are sent, and never shown', async () => {
    const [user, password] = ['u5er-canary', 'pa55-canary p%']
    await using ollama = await createStandIn({ answers })
    await using proxy = await createProxy(ollama.url)
    const shown: string[] = []
    const logger = pino({ level: 'trace' }, { write: (line: string) => void shown.push(line) })
    const secret = `http://${user}:${encodeURIComponent(password)}@127.0.0.1:${proxy.port}`
    const surefoot = createSurefoot(
      { backends: secret, maxRetries: 0, promptRetry: false, breakerThreshold: 2, waitForReadyMs: 0 },
      { env: {}, logger },
    )
    surefoot.telemetry.on((event) => void shown.push(JSON.stringify(event)))
    expect((await surefoot.chat('hi')).message.content).toBe(answerTo('hi'))
    await surefoot.health()
    expect(new Set(proxy.seen.map(({ authorization }) => authorization))).toEqual(
      new Set([`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`]),
    )
    const seen = await read(surefoot, 'hi')
    shown.push(
      JSON.stringify([seen.events, await surefoot.backends(), await surefoot.models(), await surefoot.health()]),
    )
    await proxy.close()
    for (let call = 0; call < 3; call++) {
      const error = await failureOf(surefoot.chat('hi'))
      shown.push(String(error), JSON.stringify(error), error.stack ?? '', error.hint, String(error.cause))
    }
    shown.push(JSON.stringify([await surefoot.health({ force: true }), await surefoot.backends()]))
    await surefoot.close()
    expect(shown.length).toBeGreaterThan(10)
    expect(shown.join('\n')).not.toMatch(/canary|canary%20p|dTVlci1/)
  })

  it('may hold a password alone', async () => {
    await using ollama = await createStandIn({ answers })
    await using proxy = await createProxy(ollama.url)
    await using surefoot = createSurefoot(
      { backends: `http://:key@127.0.0.1:${proxy.port}`, logLevel: 'silent' },
      { env: {} },
    )
    await surefoot.chat('hi')
    expect(proxy.seen[0]!.authorization).toBe(`Basic ${Buffer.from(':key').toString('base64')}`)
  })

  for (const [what, backends] of Object.entries({
    'a port that does not exist': 'http://jo:canary@host:99999',
    'no scheme': 'jo:canary@host:99999',
    'a slash in the password': 'http://jo:x/canary@host',
    'an at sign in the password': 'http://jo:x@canary@host:99999',
    'a comma in the password': ['http://jo:canary,x@host:99999'],
    'a lone percent sign in the password': 'http://jo:canary%@host',
    'a bad one among good ones': ['http://jo:canary@host', 'http://jo:canary@host:99999'],
    'a query': 'http://jo:canary@host/?x=1',
  })) {
    it(`that is wrong (${what}) is refused at start, and its password not shown`, () => {
      const start = (): unknown => createSurefoot({ backends, logLevel: 'silent' }, { env: {} })
      expect(start).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error)
      expect(start).not.toThrow(/canary/)
      const env = { OLLAMA_BASE_URL: [backends].flat().join(',') }
      const startByEnv = (): unknown => createSurefoot({ logLevel: 'silent' }, { env })
      expect(startByEnv).toThrow(/OLLAMA_BASE_URL must be one or several http\(s\) URLs/)
      expect(startByEnv).not.toThrow(/canary/)
    })
  }
})
