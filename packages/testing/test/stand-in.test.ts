import { Agent } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createStandIn, faults } from '../src/index.ts'
import { exchangeRaw } from './raw-exchange.ts'
import { ask, chatBytes, until } from './requests.ts'

describe('the stand-in', () => {
  it('counts what happens, and forgets it on reset', async () => {
    await using standIn = await createStandIn({ answers: { '*': ['a', 'b'] } })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await ask(standIn.url, { agent })
    await ask(standIn.url, { agent, path: '/v1/chat/completions' })
    await ask(standIn.url, { agent, path: '/api/tags' })
    await standIn.fault(faults.busy())
    await ask(standIn.url, { agent })
    const { bytes, ...counts } = standIn.counts
    expect(counts).toEqual({
      requests: 4,
      routes: { '/api/chat': 2, '/v1/chat/completions': 1, '/api/tags': 1 },
      chats: 3,
      answered: 2,
      canceled: 0,
      refusedWindows: 0,
      faulted: 1,
      cutPrompts: 0,
      connections: 1,
      openConnections: 1,
      openRequests: 0,
      loads: 0,
      abortedLoads: 0,
      tokens: 4,
      wastedTokens: 0,
    })
    expect(bytes).toBeGreaterThan(1000)
    expect(standIn.log[0]).toMatchObject({ method: 'POST', path: '/api/chat', body: { model: 'llama3.2' } })
    standIn.reset()
    expect(standIn.counts).toMatchObject({ requests: 0, tokens: 0, bytes: 0, openConnections: 1 })
    expect(standIn.log).toEqual([])
    agent.destroy()
  })

  it('remembers the last 1000 requests', async () => {
    await using standIn = await createStandIn()
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    await Promise.all(Array.from({ length: 1005 }, () => ask(standIn.url, { agent, path: '/api/version' })))
    expect(standIn.counts.requests).toBe(1005)
    expect(standIn.log.length).toBe(1000)
    agent.destroy()
  })

  it('restarts on the same port: streams are cut, the port is closed, then it is back', async () => {
    await using standIn = await createStandIn({ answerTokens: 10_000, tokensPerSecond: 1000, loadMs: 1 })
    const running = exchangeRaw(standIn.port, chatBytes())
    await until(() => standIn.counts.tokens > 3)
    const { port } = standIn
    const back = standIn.restart({ downMs: 20 })
    expect(await running).toMatchObject({ isComplete: false, error: undefined })
    expect((await ask(standIn.url)).error).toBe('ECONNREFUSED')
    await back
    expect(standIn.port).toBe(port)
    standIn.set({ answerTokens: 2 })
    expect((await ask(standIn.url)).status).toBe(200)
    expect(standIn.counts).toMatchObject({ loads: 2, canceled: 0, openRequests: 0 })
  })

  it('leaves nothing running after close', async () => {
    const standIn = await createStandIn({ firstTokenMs: 60_000 })
    const waiting = [ask(standIn.url), ask(standIn.url)]
    await until(() => standIn.counts.openRequests === 2)
    const down = standIn.restart({ downMs: 60_000 })
    await standIn.close()
    await down
    expect((await Promise.all(waiting)).map(({ error }) => error)).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(standIn.counts).toMatchObject({ openConnections: 0, openRequests: 0 })
    expect(standIn.listening).toBe(false)
    await standIn.close()
  })

  it('keeps a connection open between requests without a word about it', async () => {
    await using standIn = await createStandIn()
    const request = chatBytes({ messages: [] }).replace('Connection: close\r\n', '')
    const answer = await exchangeRaw(standIn.port, request + chatBytes({ messages: [] }))
    expect(answer.bytes.toString().match(/HTTP\/1\.1 200 OK/g)?.length).toBe(2)
    expect(answer.head.some((line) => /^(connection|keep-alive):/i.test(line))).toBe(false)
  })

  it('listens on the loopback interface only', async () => {
    await using standIn = await createStandIn()
    expect(standIn.url).toBe(`http://127.0.0.1:${standIn.port}`)
  })
})
