import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import { runChaos } from '../chaos/chaos-world.ts'
import { addSummary, emptySummary, summaryOf } from '../summary.ts'
import type { Summary } from '../summary.ts'
import { Progress } from './progress.ts'
import { runTasks } from './run-tasks.ts'
import { showSummary, thousands, traceLine } from './show.ts'
import type { Task } from './task.ts'

const HELP = `Runs worlds of random shape, with random callers and random misfortunes, and checks them after each event.

  pnpm simulate [--seeds N] [--hours H] [--threads T]
  pnpm simulate --seed S [--hours H] [--trace] [--repeat R]

  --seeds N    how many worlds, one a seed, from 1 on    (default 20)
  --from S     the first seed                            (default 1)
  --hours H    virtual hours of each world               (default 1)
  --threads T  worlds at a time                          (default: the number of cores)
  --seed S     only this world
  --trace      shows it step by step: time, what, of which call or backend
  --repeat R   runs it so many times; every run must give the same hash

Ends with 1 when an invariant was breached, and says how to see that world again.
`

/** Breaches that are printed. */
const SEEDS_SHOWN = 20
const SHOWN_OF_A_SEED = 2

const OPTIONS = {
  seeds: { type: 'string', default: '20' },
  from: { type: 'string', default: '1' },
  hours: { type: 'string', default: '1' },
  threads: { type: 'string', default: String(availableParallelism()) },
  seed: { type: 'string' },
  trace: { type: 'boolean', default: false },
  repeat: { type: 'string', default: '1' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** The command; resolves with its exit status. */
export async function simulate(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const [hours, seeds, from, threads] = [values.hours, values.seeds, values.from, values.threads].map(Number)
  if (![hours, seeds, from, threads].every((number) => Number.isFinite(number) && (number as number) > 0)) {
    process.stderr.write('--hours, --seeds, --from and --threads are numbers greater than 0; see --help.\n')
    return 2
  }
  const startedMs = performance.now()
  const sum =
    values.seed === undefined
      ? await simulateMany({
          from: from as number,
          seeds: seeds as number,
          hours: hours as number,
          threads: threads as number,
        })
      : await simulateOne(Number(values.seed), hours as number, values.trace, Number(values.repeat))
  process.stdout.write(`${showSummary(sum, performance.now() - startedMs)}\n`)
  return report(sum, hours as number)
}

async function simulateMany(size: {
  readonly from: number
  readonly seeds: number
  readonly hours: number
  readonly threads: number
}): Promise<Summary> {
  const sum = emptySummary()
  const tasks = Array.from({ length: size.seeds }, (_, index): Task => {
    return { kind: 'chaos', seed: size.from + index, hours: size.hours }
  })
  const interrupted = new AbortController()
  const onInterrupt = (): void => interrupted.abort()
  process.once('SIGINT', onInterrupt)
  const progress = new Progress(() => {
    const { seeds, hours, calls, violations } = sum
    return `${seeds} of ${size.seeds} seeds, ${hours.toFixed(1)} h, ${thousands(calls)} calls, ${violations.length} violations`
  })
  try {
    await runTasks(
      tasks,
      size.threads,
      (task, outcome) => {
        if (outcome instanceof Error) {
          const seed = task.kind === 'chaos' ? task.seed : 0
          sum.seeds++
          sum.violations.push({ seed, atMs: 0, invariant: 'I1', text: `the world broke: ${outcome.message}` })
        } else if (outcome.kind === 'chaos') addSummary(sum, outcome.summary)
        progress.show()
      },
      interrupted.signal,
    )
  } finally {
    process.off('SIGINT', onInterrupt)
    progress.end()
  }
  return sum
}

async function simulateOne(seed: number, hours: number, trace: boolean, repeat: number): Promise<Summary> {
  const write = trace
    ? (atMs: number, what: string, subject: number, detail: string | number): void => {
        process.stdout.write(`${traceLine(atMs, what, subject, detail)}\n`)
      }
    : undefined
  const sum = emptySummary()
  const hashes = new Set<string>()
  for (let round = 0; round < repeat; round++) {
    addSummary(sum, summaryOf(await runChaos(seed, hours, write)))
    hashes.add(sum.hash)
    process.stdout.write(`seed ${seed}: ${sum.hash}\n`)
  }
  if (hashes.size > 1) {
    sum.violations.push({ seed, atMs: 0, invariant: 'I1', text: `one seed gave ${hashes.size} different hashes` })
  }
  return sum
}

function report({ violations }: Summary, hours: number): number {
  if (violations.length === 0) return 0
  const seeds = [...new Set(violations.map(({ seed }) => seed))]
  for (const shown of seeds.slice(0, SEEDS_SHOWN)) {
    const of = violations.filter(({ seed }) => seed === shown)
    for (const { seed, atMs, invariant, text } of of.slice(0, SHOWN_OF_A_SEED)) {
      process.stdout.write(`\n${invariant} in seed ${seed} at ${(atMs / 1000).toFixed(3)} s: ${text}`)
    }
    if (of.length > SHOWN_OF_A_SEED)
      process.stdout.write(`\n   and ${of.length - SHOWN_OF_A_SEED} more in seed ${shown}`)
  }
  process.stdout.write(`\n\n${seeds.length} seeds breach an invariant. To see the first of them step by step:\n`)
  process.stdout.write(`  pnpm simulate --seed ${seeds[0]} --hours ${hours} --trace\n`)
  return 1
}
