import { SurefootError } from '@surefoot/protocol'
import { createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { readConfig } from '../config/read-config.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { Fleet } from './fleet.ts'
import type { Member } from './member.ts'
import { Prober } from './prober.ts'
import { createAwaitReturn } from './returns.ts'
import type { Absent } from './returns.ts'
import type { Roster } from './roster.ts'
import type { ProbeResult } from './short-calls.ts'

/** Backends `http://a:1` and so on, each with somebody who looks after it, and what a look finds. */
function createRig(...names: string[]) {
  const time = createVirtualTime()
  const found = new Map<string, ProbeResult>()
  const members = names.map((name) => {
    const url = `http://${name}:1`
    const backend = new Backend(url, readConfig({ backends: url }), time, createTelemetry())
    const calls = { json: () => Promise.reject(new Error()), probe: async () => found.get(name) ?? 'away' }
    return { backend, prober: new Prober(backend, calls, time, () => false) } as unknown as Member
  })
  const fleet = new Fleet(members.map(({ backend }) => backend))
  const of = (backend: Backend): Member => members.find((member) => member.backend === backend)!
  const awaitReturn = createAwaitReturn({ fleet, of } as unknown as Roster)
  const woken: (string | undefined)[] = []
  return {
    time,
    found,
    woken,
    backend: (name: string): Backend => fleet.backends.find((one) => one.name === `http://${name}:1`)!,
    sleep: (absent: Record<string, 'seen' | 'maybe'>): (() => void) => {
      const byUrl: Absent = new Map(Object.entries(absent).map(([name, how]) => [`http://${name}:1`, how]))
      return awaitReturn(
        byUrl,
        () => fleet.hasOther('m', new Set(byUrl.keys())),
        (backend) => woken.push(backend),
      )
    },
  }
}

describe('a sleeping call', () => {
  it('is woken with the name of the one that is back first', async () => {
    const rig = createRig('a', 'b')
    const end = rig.sleep({ a: 'seen', b: 'seen' })
    await rig.time.advance(1_000)
    expect(rig.woken).toEqual([])
    rig.found.set('b', 'answers')
    await rig.time.advance(250)
    expect(rig.woken).toEqual(['http://b:1'])
    end()
    expect(rig.time.pendingTimers).toBe(0)
  })

  it('is woken when one that it has not tried may be asked now', async () => {
    const rig = createRig('a', 'b')
    const error = new SurefootError({ code: 'MODEL_FAILED', message: 'broken' })
    rig.backend('b').models.avoid('m', error, 0, 600_000)
    const end = rig.sleep({ a: 'seen' })
    rig.backend('a').changed()
    expect(rig.woken).toEqual([])
    rig.backend('b').models.forgive('m')
    rig.backend('b').changed()
    expect(rig.woken).toEqual([undefined])
    end()
  })

  it('that has another one to ask anyway is not woken by it', () => {
    const rig = createRig('a', 'b')
    rig.sleep({ a: 'seen' })
    rig.backend('b').changed()
    expect(rig.woken).toEqual([])
  })

  it('leaves nothing when it ends by itself', async () => {
    const rig = createRig('a', 'b')
    rig.backend('b').draining = true
    const end = rig.sleep({ a: 'maybe' })
    await rig.time.advance(500)
    end()
    expect(rig.time.pendingTimers).toBe(0)
    rig.found.set('a', 'answers')
    rig.backend('b').draining = false
    await rig.time.advance(10_000)
    expect(rig.woken).toEqual([])
  })
})
