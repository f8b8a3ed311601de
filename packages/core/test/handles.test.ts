import { faults } from '@surefoot/testing'
import { expect, it } from 'vitest'

import { runScript } from './script.ts'
import { startPair } from './setup.ts'

/** What Node still waits for, without the pipes to this test. */
const tellHandles = `
  await new Promise((resolve) => setImmediate(resolve))
  const ours = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate|DNS|GetAddrInfo/.test(name))
  console.log(JSON.stringify(ours))
`

it('after close() no socket and no timer is left', async () => {
  await using pair = await startPair({ slots: 4 })
  const { lines } = await runScript(
    pair.ollama.url,
    `
    await Promise.all(Array.from({ length: 20 }, (_, n) => surefoot.chat(String(n))))
    await Promise.all([surefoot.health(), surefoot.models(), surefoot.health({ force: true })])
    const stopped = surefoot.run('hi')
    stopped.stop()
    await stopped.answer.catch(() => {})
    for await (const event of surefoot.run('hi')) if (event.type === 'delta') break
    await surefoot.close()
    ${tellHandles}`,
    { slots: 4 },
  )
  expect(lines).toEqual(['[]'])
})

it('after close() none is left either when calls failed, timed out and waited', async () => {
  await using pair = await startPair()
  await pair.ollama.fault([faults.internal({ every: 3 }), faults.hang({ every: 2 }), faults.cut({ every: 5 })])
  const { lines } = await runScript(
    pair.ollama.url,
    `
    process.on('warning', (warning) => console.log(String(warning)))
    await surefoot.chat('no time at all', { deadlineMs: 0.001 }).catch(() => {})
    await Promise.allSettled(Array.from({ length: 12 }, (_, n) => surefoot.chat(String(n), { deadlineMs: 100 + 40 * n })))
    await surefoot.close()
    ${tellHandles}`,
    { timeoutMs: 100, retryDelayMs: 5, breakerThreshold: 3 },
  )
  expect(lines).toEqual(['[]'])
})
