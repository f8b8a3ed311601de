import { Agent } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createStandIn, faults } from '../src/index.ts'
import { ask, until } from './requests.ts'

describe('the choice of requests', () => {
  it('strikes each Nth', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.internal({ every: 3 }))
    const statuses = []
    for (let index = 0; index < 6; index++) statuses.push((await ask(standIn.url)).status)
    expect(statuses).toEqual([200, 200, 500, 200, 200, 500])
  })

  it('takes the first of several that matches, and stops after `times`', async () => {
    await using standIn = await createStandIn()
    await standIn.fault([faults.busy({ times: 1 }), faults.internal({ times: 1 })])
    const statuses = []
    for (let index = 0; index < 3; index++) statuses.push((await ask(standIn.url)).status)
    expect(statuses).toEqual([503, 500, 200])
  })

  it('draws the same for the same seed', async () => {
    const draw = async (seed: number): Promise<(number | undefined)[]> => {
      await using standIn = await createStandIn({ seed })
      await standIn.fault(faults.internal({ probability: 0.5 }))
      const statuses = []
      for (let index = 0; index < 12; index++) statuses.push((await ask(standIn.url)).status)
      return statuses
    }
    const first = await draw(7)
    expect(new Set(first)).toEqual(new Set([200, 500]))
    expect(await draw(7)).toEqual(first)
  })

  it('leaves health routes alone unless told otherwise', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.internal())
    expect((await ask(standIn.url, { path: '/api/tags' })).status).toBe(200)
    await standIn.fault(faults.internal({ routes: 'all' }))
    expect((await ask(standIn.url, { path: '/api/tags' })).status).toBe(500)
  })

  it('refuses each Nth: the request before it announces the end of its connection', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.refuse({ every: 3, forMs: 500 }))
    const agent = new Agent({ keepAlive: true })
    expect((await ask(standIn.url, { agent })).headers['connection']).toBe(undefined)
    expect((await ask(standIn.url, { agent })).headers['connection']).toBe('close')
    expect((await ask(standIn.url, { agent })).error).toBe('ECONNREFUSED')
    expect(standIn.counts.refusedWindows).toBe(1)
    await standIn.fault()
    expect((await ask(standIn.url, { agent })).status).toBe(200)
    agent.destroy()
  })

  it('opens the port again after the window', async () => {
    await using standIn = await createStandIn()
    await standIn.fault(faults.refuse({ times: 1, forMs: 200 }))
    await ask(standIn.url)
    expect(standIn.listening).toBe(false)
    await until(() => standIn.listening)
    expect((await ask(standIn.url)).status).toBe(200)
  })
})
