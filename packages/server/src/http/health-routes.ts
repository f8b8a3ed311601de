import type { Hono } from 'hono'

import type { DrainableSurefoot } from '../draining.ts'

/**
 * `/livez` says that the process runs and nothing else, so that no orchestrator restarts it because a backend is down.
 * `/readyz` says whether a chat sent here now could be answered.
 */
export function healthRoutes(app: Hono, gate: DrainableSurefoot): void {
  app.get('/livez', (c) => c.json({ status: 'live', message: 'The process is running.' }))
  app.get('/readyz', async (c) => {
    const problem = gate.isDraining ? 'The server is shutting down.' : await problemOf(gate)
    c.header('cache-control', 'no-store')
    if (problem !== undefined) return c.json({ status: 'not ready', message: problem }, 503)
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
