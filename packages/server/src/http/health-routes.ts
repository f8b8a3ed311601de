import type { Hono } from 'hono'

import type { DrainableSurefoot } from '../draining.ts'
import type { KeyCheck } from './auth.ts'

/** All that is said to a caller who sends no key where one is needed. */
const NO_BACKEND = 'No backend can answer.'

/**
 * `/livez` says that the process runs and nothing else, so that no orchestrator restarts it because a backend is down.
 * `/readyz` says whether a chat sent here now could be answered. Both need no key; where there are keys, only a caller
 * with one of them is told why not, because that names the backends.
 */
export function healthRoutes(app: Hono, gate: DrainableSurefoot, keys: KeyCheck): void {
  app.get('/livez', (c) => c.json({ status: 'live', message: 'The process is running.' }))
  app.get('/readyz', async (c) => {
    const problem = gate.isDraining ? 'The server is shutting down.' : await problemOf(gate)
    c.header('cache-control', 'no-store')
    if (problem !== undefined) {
      const isTold = gate.isDraining || !keys.isNeeded || keys.tenantOf(c.req.header('authorization')) !== undefined
      return c.json({ status: 'not ready', message: isTold ? problem : NO_BACKEND }, 503)
    }
    return c.json({ status: 'ready', message: 'At least one backend can answer.' })
  })
}

async function problemOf({ surefoot }: DrainableSurefoot): Promise<string | undefined> {
  try {
    const report = await surefoot.health()
    if (report.status !== 'down') return undefined
    return (
      report.backends.find((backend) => backend.problem !== undefined)?.problem ??
      `No backend can answer with ${report.model}.`
    )
  } catch {
    return 'The health of the backends could not be found out.'
  }
}
