import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import { huntAll } from '../planted/hunt.ts'
import type { Hunted } from '../planted/hunt.ts'
import { PLANTED_FAULTS } from '../planted/planted-faults.ts'
import { faultsThatDoNotApply } from '../planted/source-copy.ts'
import { MOST_MISSED } from '../proofs/planted.ts'
import { Progress } from './progress.ts'
import { table } from './show.ts'

const HELP = `Plants faults into a copy of the core, one at a time, and simulates until something is noticed.

  pnpm prove:planted [--only TEXT] [--threads T]

  --only TEXT  the faults whose name contains it
  --threads T  faults at a time  (default: the number of cores)

The seven traps of cockatiel 4.0.0 are numbered. Ends with 1 when more than ${MOST_MISSED} is missed or one cannot be planted any more.
`

const OPTIONS = {
  only: { type: 'string', default: '' },
  threads: { type: 'string', default: String(availableParallelism()) },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const LONGEST_CELL = 90

/** The command; resolves with its exit status. */
export async function provePlanted(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const faults = PLANTED_FAULTS.filter(({ name }) => name.includes(values.only))
  const threads = Number(values.threads)
  if (faults.length === 0 || !(threads > 0)) {
    process.stderr.write(`Not understood: ${args.join(' ')}; see --help.\n`)
    return 2
  }
  const reasons = await faultsThatDoNotApply(faults)
  if (reasons.length > 0) {
    process.stderr.write(`${reasons.join('\n')}\n`)
    return 1
  }
  const done = await huntWithProgress(faults.length, faults, threads)
  const inOrder = done.toSorted((a, b) => faults.indexOf(a.fault) - faults.indexOf(b.fault))
  const caught = done.filter((hunted) => hunted.caught !== undefined).length
  process.stdout.write(`${table(['fault', 'caught by', 'seed', 's'], inOrder.map(toRow))}\n\n`)
  process.stdout.write(`${caught} of ${faults.length} caught\n`)
  return done.length === faults.length && caught >= faults.length - MOST_MISSED ? 0 : 1
}

async function huntWithProgress(
  count: number,
  faults: Parameters<typeof huntAll>[0],
  threads: number,
): Promise<Hunted[]> {
  const done: Hunted[] = []
  const interrupted = new AbortController()
  const onInterrupt = (): void => interrupted.abort()
  process.once('SIGINT', onInterrupt)
  const progress = new Progress(() => `${done.length} of ${count} faults`)
  try {
    await huntAll(faults, threads, interrupted.signal, (hunted) => {
      done.push(hunted)
      progress.show()
    })
  } finally {
    process.off('SIGINT', onInterrupt)
    progress.end()
  }
  return done
}

function toRow({ fault: { name, trap }, caught, tookMs }: Hunted): string[] {
  const by = caught?.by.replaceAll('|', '/') ?? '**missed**'
  return [
    trap === undefined ? name : `${name} (trap ${trap})`,
    by.length > LONGEST_CELL ? `${by.slice(0, LONGEST_CELL)}…` : by,
    caught === undefined ? '' : String(caught.seed),
    (tookMs / 1_000).toFixed(0),
  ]
}
