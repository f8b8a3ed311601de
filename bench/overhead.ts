import { fork } from 'node:child_process'
import { once } from 'node:events'

import { createSurefoot } from '@surefoot/core'
import { Pool } from 'undici'

/** What Surefoot costs when nothing fails: CPU time of this process per call and per streamed token, beside bare undici. */
const CALLS = 300
const TOKENS = 100
const AT_ONCE = 4
const ROUNDS = 7

const child = fork(new URL('stand-in-process.ts', import.meta.url), [String(TOKENS)])
const [url] = (await once(child, 'message')) as [string]
const messages = [{ role: 'user', content: 'How long is a piece of string?' }]

const pool = new Pool(url, { connections: AT_ONCE, headersTimeout: 0, bodyTimeout: 0 })
const surefoot = createSurefoot({ backends: url, slots: AT_ONCE, logLevel: 'silent' }, { env: {} })

const bodies: Record<string, () => Promise<void>> = {
  'undici, lines parsed': async () => {
    const body = JSON.stringify({ model: 'llama3.2', messages, stream: true })
    const reply = await pool.request({ method: 'POST', path: '/api/chat', body })
    let rest = ''
    for await (const chunk of reply.body) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) JSON.parse(line)
    }
  },
  'core, streamed': async () => {
    for await (const event of surefoot.run({ messages })) if (event.type === 'finish') return
  },
  'core, whole': async () => {
    await surefoot.chat({ messages })
  },
}

async function cpuMs(body: () => Promise<void>): Promise<number> {
  let left = CALLS
  const before = process.cpuUsage()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await body()
    }),
  )
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

// Interleaved, so that a noisy machine is noisy for all of them alike.
const measured = new Map<string, number[]>(Object.keys(bodies).map((name) => [name, []]))
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, body] of Object.entries(bodies)) {
    const ms = await cpuMs(body)
    if (round > 0) measured.get(name)?.push(ms)
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
const base = median(measured.get('undici, lines parsed') ?? [])
console.log(
  `${CALLS} calls of ${TOKENS} tokens, ${AT_ONCE} at once, median of ${ROUNDS} rounds, CPU time of the client process\n`,
)
console.log('| | ms per call | µs per token | times undici |\n|---|---|---|---|')
for (const [name, values] of measured) {
  const ms = median(values) / CALLS
  console.log(
    `| ${name} | ${ms.toFixed(3)} | ${((ms * 1000) / TOKENS).toFixed(2)} | ${((ms * CALLS) / base).toFixed(2)} |`,
  )
}

await surefoot.close()
await pool.close()
child.disconnect()
