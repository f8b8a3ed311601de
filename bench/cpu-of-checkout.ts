import type { createSurefoot } from '@surefoot/core'

/** The core of another checkout has the names of this one, as far as they are used here. */
type Core = { readonly createSurefoot: typeof createSurefoot }

const AT_ONCE = 4
const WARM_UP = 500

/** Prints the CPU time of one streamed call in milliseconds: `cpu-of-checkout.ts ROOT URL CALLS`. */
const [root, url, calls] = process.argv.slice(2) as [string, string, string]
const core = (await import(`${root}/packages/core/src/index.ts`)) as Core
const surefoot = core.createSurefoot({ backends: url, slots: AT_ONCE, logLevel: 'silent' }, { env: {} })
const messages = [{ role: 'user', content: 'How long is a piece of string?' }]

async function ask(count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) for await (const event of surefoot.run({ messages })) if (event.type === 'finish') break
    }),
  )
}

await ask(WARM_UP)
const before = process.cpuUsage()
await ask(Number(calls))
const { user, system } = process.cpuUsage(before)
console.log((user + system) / 1000 / Number(calls))
await surefoot.close()
