import { SurefootError } from '@surefoot/protocol'
import { createStandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, failureOf, read, startPair, until } from './setup.ts'

/** Long enough to be changed in the middle of. */
const slow = { tokensPerSecond: 100, answerTokens: 40, answers: {} }

describe('drain', () => {
  it('sends nothing new there, lets the running streams end, and can be taken back', async () => {
    await using other = await createStandIn({ answers })
    await using pair = await startPair(slow)
    await using both = await startPair({}, { backends: [pair.ollama.url, other.url], slots: 1 })
    const { surefoot } = both
    const running = [read(surefoot, 'one'), read(surefoot, 'two')]
    await until(() => pair.ollama.counts.tokens > 3)
    surefoot.drain(`${pair.ollama.url}/`)
    for (let call = 0; call < 5; call++) expect((await surefoot.chat(`${call}`)).backend).toBe(other.url)
    for (const { failure } of await Promise.all(running)) expect(failure).toBeUndefined()
    expect(pair.ollama.counts).toMatchObject({ chats: 1, canceled: 0, answered: 1 })
    surefoot.undrain(pair.ollama.url)
    surefoot.drain(other.url)
    expect((await surefoot.chat('back')).backend).toBe(pair.ollama.url)
  })

  it('of one that is not known says which are', async () => {
    await using pair = await startPair()
    for (const url of ['http://gpu-x:11434', 'nonsense']) {
      for (const change of [pair.surefoot.drain, pair.surefoot.undrain]) {
        const error = catchError(() => change(url))
        expect(error).toMatchObject({ code: 'INVALID_REQUEST', message: `There is no backend ${url}.` })
        expect(error.hint).toContain(pair.ollama.url)
      }
    }
  })
})

describe('backends that come and go while running', () => {
  it('a new one answers; one that goes ends what it has begun, gets nothing new, and its sockets are closed', async () => {
    await using other = await createStandIn({ answers })
    await using pair = await startPair(slow, { slots: 1 })
    const { ollama, surefoot } = pair
    const running = read(surefoot, 'one')
    await until(() => ollama.counts.tokens > 3)
    const told: string[] = []
    surefoot.telemetry.on((event) => {
      if (event.type === 'backend-join' || event.type === 'backend-leave') told.push(`${event.type} ${event.backend}`)
    })
    surefoot.setBackends([ollama.url, other.url])
    expect((await surefoot.chat('two')).backend).toBe(other.url)
    surefoot.setBackends(other.url)
    expect((await surefoot.backends()).map(({ url }) => url)).toEqual([other.url])
    expect(told).toEqual([`backend-join ${other.url}`, `backend-leave ${ollama.url}`])
    for (let call = 0; call < 3; call++) expect((await surefoot.chat(`${call}`)).backend).toBe(other.url)
    expect((await running).failure).toBeUndefined()
    await until(() => ollama.counts.openConnections === 0)
    expect(ollama.counts).toMatchObject({ chats: 1, answered: 1, canceled: 0 })
  })

  it('one that stays keeps what is known of it, and its streams', async () => {
    await using other = await createStandIn({ answers })
    await using pair = await startPair()
    await pair.surefoot.chat('one')
    pair.surefoot.setBackends([other.url, pair.ollama.url])
    const stayed = (await pair.surefoot.backends()).find(({ url }) => url === pair.ollama.url)
    expect(stayed).toMatchObject({ attempts: { succeeded: 1 } })
  })

  it('who waits while none is left is answered by the one that comes', async () => {
    await using other = await createStandIn({ answers })
    await using pair = await startPair({}, { backends: 'http://127.0.0.1:9', retryDelayMs: 10 })
    const waiting = pair.surefoot.chat('hi')
    await until(async () => (await pair.surefoot.backends())[0]!.state.name === 'down')
    pair.surefoot.setBackends(other.url)
    expect((await waiting).message.content).toBe(answerTo('hi'))
  })

  it('a list that cannot be used is refused and changes nothing', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    for (const list of [[], 'ftp://gpu-a', ['http://u:first@gpu-a', 'http://u:second@gpu-a']]) {
      expect(catchError(() => surefoot.setBackends(list)).code).toBe('INVALID_CONFIG')
    }
    expect((await surefoot.backends()).map(({ url }) => url)).toEqual([ollama.url])
    await surefoot.close()
    expect(catchError(() => surefoot.setBackends(ollama.url)).code).toBe('SHUTTING_DOWN')
  })

  it('other credentials for the same address are another backend', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    await surefoot.chat('one')
    surefoot.setBackends(ollama.url.replace('http://', 'http://user:secret@'))
    await surefoot.chat('two')
    expect(ollama.log.findLast(({ path }) => path === '/api/chat')!.headers.authorization).toMatch(/^Basic /)
    const [backend] = await surefoot.backends()
    expect(backend).toMatchObject({ url: ollama.url, attempts: { succeeded: 1 } })
  })
})

describe('a name that stands for several backends', () => {
  it('calls go to all its addresses; until it is answered they wait', async () => {
    await using ollama = await createStandIn({ answers })
    const addresses = Promise.withResolvers<readonly string[]>()
    await using pair = await startPair(
      {},
      { backends: `dns+http://ollama.svc:${ollama.port}` },
      { resolve: () => addresses.promise },
    )
    const { surefoot } = pair
    const waiting = surefoot.chat('hi')
    expect(await surefoot.health()).toMatchObject({ status: 'down', backends: [] })
    expect((await failureOf(surefoot.models())).code).toBe('CANNOT_CONNECT')
    addresses.resolve(['127.0.0.1'])
    expect(await waiting).toMatchObject({ message: { content: answerTo('hi') }, backend: ollama.url })
    expect((await surefoot.health()).status).toBe('up')
  })

  it('the system answers for a name that it knows', async () => {
    await using pair = await startPair()
    const { ollama, surefoot } = pair
    surefoot.setBackends(`dns+http://localhost:${ollama.port}`)
    const answer = await surefoot.chat('hi')
    expect(answer.message.content).toBe(answerTo('hi'))
    expect(answer.backend).toBe(ollama.url)
  })
})

function catchError(act: () => void): SurefootError {
  try {
    act()
  } catch (error) {
    if (SurefootError.is(error)) return error
    throw error
  }
  return expect.fail('nothing was thrown')
}
