import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a streamed call costs in this checkout beside another one: a process each, in turns, so that noise meets both. */
const [other, rounds = '9', calls = '3000'] = process.argv.slice(2)
if (other === undefined) {
  console.error('Usage: node --conditions=@surefoot/source bench/compare.ts OTHER_CHECKOUT [ROUNDS] [CALLS]')
  process.exit(2)
}
const TOKENS = '100'
const here = fileURLToPath(new URL('..', import.meta.url))
const child = fork(new URL('stand-in-process.ts', import.meta.url), [TOKENS])
const [url] = (await once(child, 'message')) as [string]

function cpuMs(root: string): number {
  const script = fileURLToPath(new URL('cpu-of-checkout.ts', import.meta.url))
  return Number(execFileSync(process.execPath, ['--conditions=@surefoot/source', script, root, url, calls]))
}

const ratios: number[] = []
for (let round = 0; round < Number(rounds); round++) {
  // Each goes first every second time.
  const isOtherFirst = round % 2 === 0
  const first = cpuMs(isOtherFirst ? other : here)
  const second = cpuMs(isOtherFirst ? here : other)
  const [theirs, ours] = isOtherFirst ? [first, second] : [second, first]
  ratios.push(ours / theirs)
  console.log(`${theirs.toFixed(4)} ms there, ${ours.toFixed(4)} ms here: ${(ours / theirs).toFixed(3)}`)
}
const sorted = ratios.toSorted((a, b) => a - b)
const median = sorted[sorted.length >> 1] ?? Number.NaN
console.log(`A streamed call of ${TOKENS} tokens costs here ${median.toFixed(3)} times what it costs there (median).`)
child.disconnect()
