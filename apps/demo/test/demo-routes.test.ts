import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'

import type { DemoInfo, ReliabilityEvent } from '../src/shared/demo-api.ts'
import type { Demo } from '../src/start-demo.ts'
import { breakThings, postJson, startOnOllama, startOnStandIns } from './start.ts'

async function infoOf(demo: Demo): Promise<DemoInfo> {
  return (await (await fetch(`${demo.url}/demo/info`)).json()) as DemoInfo
}

async function testEvents(demo: Demo): Promise<ReliabilityEvent[]> {
  const response = await postJson(`${demo.url}/demo/reliability-test`, {})
  const lines = (await response.text()).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as ReliabilityEvent)
}

async function ratesUnder(demo: Demo, mode: Parameters<typeof breakThings>[1]): Promise<unknown> {
  await breakThings(demo, mode)
  const end = (await testEvents(demo)).at(-1)
  return end?.type === 'end' ? end.rates : end
}

describe('the demo', () => {
  it('says what it runs on', async () => {
    await using demo = await startOnStandIns()
    expect(await infoOf(demo)).toMatchObject({ kind: 'stand-in', model: 'llama3.2', mode: 'none', requests: 0 })
  })

  it('shows the address of a real Ollama and not that of the proxy before it', async () => {
    await using parts = await startOnOllama()
    const { backends, kind } = await infoOf(parts.demo)
    expect(kind).toBe('real')
    expect(backends.map((backend) => backend.shownAs)).toEqual([parts.ollama.url])
    expect(backends[0]?.url).not.toBe(parts.ollama.url)
  })

  it('takes the next port when the wanted one is taken', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    try {
      await using demo = await startOnStandIns({ port })
      expect(demo.port).toBeGreaterThan(port)
    } finally {
      taken.close()
    }
  })

  it('leaves nothing behind when it closes', async () => {
    const demo = await startOnStandIns()
    const { backends } = await infoOf(demo)
    await demo[Symbol.asyncDispose]()
    for (const url of [demo.url, ...backends.map((backend) => backend.url)]) {
      await expect(fetch(url)).rejects.toThrow()
    }
  })

  it('serves the page with its types, its policy, and hashed files for ever', async () => {
    const file = (type: string): { type: string; bytes: Uint8Array<ArrayBuffer> } => ({
      type,
      bytes: new TextEncoder().encode('x'),
    })
    const page = new Map([
      ['/index.html', file('text/html; charset=utf-8')],
      ['/assets/a-1b2c.js', file('text/javascript; charset=utf-8')],
    ])
    await using demo = await startOnStandIns({ page })
    const root = await fetch(demo.url)
    expect(root.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(root.headers.get('cache-control')).toBe('no-cache')
    expect(root.headers.get('content-security-policy')).toContain("script-src 'self';")
    const script = await fetch(`${demo.url}/assets/a-1b2c.js`)
    expect(script.headers.get('cache-control')).toContain('immutable')
    expect((await fetch(`${demo.url}/assets/../../package.json`)).status).toBe(404)
  })
})

describe('what may answer', () => {
  it('of stand-ins is everything there is, and of a real Ollama what its operator says', async () => {
    await using demo = await startOnStandIns()
    expect(await infoOf(demo)).toMatchObject({ ladder: { models: ['llama3.2:1b'], cache: true }, hasCache: true })
    await using small = await startOnStandIns({ backend: { kind: 'stand-in', model: 'llama3.2:1b' } })
    expect(await infoOf(small)).toMatchObject({ ladder: { models: ['smollm2:135m'] } })
    await using real = await startOnOllama()
    expect(await infoOf(real.demo)).toMatchObject({ ladder: { models: [], cache: false }, hasCache: false })
    await using told = await startOnOllama({
      config: { degradeModels: ['smollm2:135m'], cache: true, logLevel: 'silent' },
    })
    expect(await infoOf(told.demo)).toMatchObject({
      ladder: { models: ['smollm2:135m'], cache: false },
      hasCache: true,
    })
  })
})

describe('draining', () => {
  const drainingOf = async (demo: Demo): Promise<unknown[]> => {
    const response = await fetch(`${demo.url}/trpc/backends`)
    const { result } = (await response.json()) as { result: { data: { draining: boolean }[] } }
    return result.data.map(({ draining }) => draining)
  }

  it('takes a backend out and puts it back', async () => {
    await using demo = await startOnStandIns()
    const url = (await infoOf(demo)).backends[0]?.url
    expect((await postJson(`${demo.url}/demo/drain`, { url, draining: true })).status).toBe(200)
    expect((await drainingOf(demo)).filter(Boolean)).toHaveLength(1)
    expect((await postJson(`${demo.url}/demo/drain`, { url, draining: false })).status).toBe(200)
    expect((await drainingOf(demo)).filter(Boolean)).toHaveLength(0)
  })

  it.each([{}, { url: 'http://127.0.0.1:1', draining: true }, { url: 5, draining: true }, 'null'])(
    'refuses %j in one sentence',
    async (body) => {
      await using demo = await startOnStandIns()
      const response = await postJson(`${demo.url}/demo/drain`, body)
      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({ success: false, error: expect.any(String) as string })
    },
  )
})

describe('the break bar', () => {
  it('knows six modes and nothing else', async () => {
    await using demo = await startOnStandIns()
    const response = await postJson(`${demo.url}/demo/fault`, { mode: 'explode' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: 'mode must be one of none, every-second, refuse, hang, cut, no-memory',
    })
  })

  it('is closed to other origins', async () => {
    await using demo = await startOnStandIns()
    const evil = { origin: 'http://evil.example' }
    expect((await postJson(`${demo.url}/demo/fault`, { mode: 'refuse' }, evil)).status).toBe(403)
    expect((await infoOf(demo)).mode).toBe('none')
  })
})

describe('the reliability test', () => {
  const patient = { logLevel: 'silent', timeoutMs: 2000, retryDelayMs: 10 } as const

  it('is whole on both sides while nothing is broken', async () => {
    await using demo = await startOnStandIns()
    expect(await ratesUnder(demo, 'none')).toEqual({ straight: 1, surefoot: 1 })
  })

  it('is never answered from the cache, and counts what another model answers as answered', async () => {
    await using demo = await startOnStandIns({ config: patient })
    await ratesUnder(demo, 'none')
    await ratesUnder(demo, 'none')
    // 30 questions twice, and the one that gets the model into memory.
    expect((await infoOf(demo)).answers).toEqual({ model: 62, cache: 0, degraded: 0, fallback: 0 })
    expect(await ratesUnder(demo, 'no-memory')).toEqual({ straight: 0, surefoot: 1 })
    expect((await infoOf(demo)).answers).toEqual({ model: 62, cache: 0, degraded: 31, fallback: 0 })
  })

  it.each(['every-second', 'cut'] as const)(
    'under "%s" half fail straight, and none through Surefoot',
    async (mode) => {
      await using demo = await startOnStandIns({ config: patient })
      expect(await ratesUnder(demo, mode)).toEqual({ straight: 0.5, surefoot: 1 })
    },
  )

  it('under "hang" the straight ones end by their timeout, and Surefoot asks another backend', async () => {
    // Long enough for a healthy answer on a busy machine: a shorter patience would count that as hung.
    await using demo = await startOnStandIns({ config: { ...patient, timeoutMs: 500 }, test: { patienceMs: 500 } })
    expect(await ratesUnder(demo, 'hang')).toEqual({ straight: 0.5, surefoot: 1 })
  })

  it('under "refuse" the backends go away and come back, and Surefoot waits for them', async () => {
    await using demo = await startOnStandIns({
      config: patient,
      pace: { firstTokenMs: 30, tokensPerSecond: 1000 },
      // Long enough for an answer in between, also on a busy machine.
      test: { restartMs: 400 },
    })
    const rates = (await ratesUnder(demo, 'refuse')) as { straight: number; surefoot: number }
    expect(rates.surefoot).toBe(1)
    expect(rates.straight).toBeLessThan(1)
    expect((await infoOf(demo)).mode).toBe('refuse')
  }, 60_000)

  it('does the same with a real Ollama behind the fault proxy', async () => {
    await using parts = await startOnOllama({ config: patient })
    expect(await ratesUnder(parts.demo, 'every-second')).toEqual({ straight: 0.5, surefoot: 1 })
  })

  it('runs once at a time, locks the break bar, and ends when its reader leaves', async () => {
    await using demo = await startOnStandIns({ pace: { firstTokenMs: 100, tokensPerSecond: 100 } })
    const controller = new AbortController()
    const first = await fetch(`${demo.url}/demo/reliability-test`, { method: 'POST', signal: controller.signal })
    expect(first.headers.get('content-type')).toBe('application/x-ndjson')
    expect((await postJson(`${demo.url}/demo/reliability-test`, {})).status).toBe(409)
    expect((await postJson(`${demo.url}/demo/fault`, { mode: 'cut' })).status).toBe(409)
    // Who stops it and presses another button in the same moment is not told that it still runs.
    controller.abort()
    expect((await postJson(`${demo.url}/demo/fault`, { mode: 'none' })).status).toBe(200)
    expect((await postJson(`${demo.url}/demo/reliability-test`, {})).status).toBe(200)
  })
})
