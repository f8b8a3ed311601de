import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import type { ProofSize } from '../proofs/proof.ts'
import { PROOFS } from '../proofs/proofs.ts'
import { SCENARIOS } from '../scenarios/scenarios.ts'
import type { ResultRow } from '../scenarios/scenario.ts'
import { Progress } from './progress.ts'
import { runTasks } from './run-tasks.ts'
import { table } from './show.ts'
import type { Task } from './task.ts'

const HELP = `Measures what Surefoot promises, and prints it as a table in Markdown.

  pnpm prove [--scale X] [--only NAME,NAME] [--threads T]

  --scale X    the size: 1 is the full one, 0.1 a tenth  (default 1)
  --only A,B   only these
  --seed S     other random numbers                      (default 1)
  --threads T  scenarios at a time                       (default: the number of cores)

Ends with 1 when something does not hold.

In virtual time, several at a time:
${listOf(SCENARIOS)}
Then one after the other, those after the first only at full size or by name:
${listOf(PROOFS)}`

const OPTIONS = {
  scale: { type: 'string', default: '1' },
  only: { type: 'string' },
  seed: { type: 'string', default: '1' },
  threads: { type: 'string', default: String(availableParallelism()) },
  help: { type: 'boolean', short: 'h', default: false },
} as const

function listOf(named: Readonly<Record<string, { readonly title: string }>>): string {
  return Object.entries(named)
    .map(([name, { title }]) => `  ${name.padEnd(22)}${title}\n`)
    .join('')
}

/** One line of the table. */
interface Shown extends ResultRow {
  readonly name: string
  readonly tookMs: number
}

/** The command; resolves with its exit status. */
export async function prove(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const [scale, seed, threads] = [values.scale, values.seed, values.threads].map(Number) as [number, number, number]
  const proofs = Object.keys(PROOFS).filter((name) => scale === 1 || PROOFS[name]?.hasOneSize !== true)
  const names = values.only?.split(',') ?? [...Object.keys(SCENARIOS), ...proofs]
  const unknown = names.filter((name) => SCENARIOS[name] === undefined && PROOFS[name] === undefined)
  if (unknown.length > 0 || !(scale > 0) || !(threads > 0) || !Number.isInteger(seed)) {
    process.stderr.write(`Not understood: ${unknown.join(', ') || args.join(' ')}; see --help.\n`)
    return 2
  }
  const shown = await runAll(names, { scale, seed, threads })
  process.stdout.write(`${asTable(shown, scale)}\n`)
  return shown.length === names.length && shown.every(({ holds }) => holds) ? 0 : 1
}

async function runAll(names: readonly string[], size: ProofSize): Promise<Shown[]> {
  const shown: Shown[] = []
  const interrupted = new AbortController()
  const onInterrupt = (): void => interrupted.abort()
  process.once('SIGINT', onInterrupt)
  const progress = new Progress(() => {
    const latest = shown.at(-1)
    return `${shown.length} of ${names.length}${latest === undefined ? '' : `, the latest: ${latest.name}`}`
  })
  const redraw = setInterval(() => progress.show(), 1_000)
  try {
    await runScenarios(names, size, shown, interrupted.signal)
    for (const name of names) if (!interrupted.signal.aborted) await runProof(name, size, shown, interrupted.signal)
  } finally {
    clearInterval(redraw)
    process.off('SIGINT', onInterrupt)
    progress.end()
  }
  return shown.toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
}

async function runScenarios(
  names: readonly string[],
  { scale, seed, threads }: ProofSize,
  shown: Shown[],
  signal: AbortSignal,
): Promise<void> {
  const tasks = names.flatMap((name): Task[] =>
    SCENARIOS[name] === undefined ? [] : [{ kind: 'scenario', name, scale, seed }],
  )
  await runTasks(
    tasks,
    threads,
    (task, outcome) => {
      const name = task.kind === 'scenario' ? task.name : ''
      if (outcome instanceof Error) shown.push({ ...broken(name, outcome), name, tookMs: 0 })
      else if (outcome.kind === 'scenario') {
        shown.push(...outcome.result.rows.map((row) => ({ ...row, name, tookMs: outcome.tookMs })))
      }
    },
    signal,
  )
}

async function runProof(name: string, size: ProofSize, shown: Shown[], signal: AbortSignal): Promise<void> {
  const proof = PROOFS[name]
  if (proof === undefined) return
  const startedMs = performance.now()
  const row = await proof.run(size, signal).catch((error: Error) => broken(name, error))
  if (!signal.aborted) shown.push({ ...row, name, tookMs: performance.now() - startedMs })
}

function broken(name: string, error: Error): ResultRow {
  return {
    scenario: SCENARIOS[name]?.title ?? PROOFS[name]?.title ?? name,
    demanded: '',
    measured: `broke: ${error.message}`,
    holds: false,
  }
}

function asTable(shown: readonly Shown[], scale: number): string {
  const size = scale === 1 ? '' : ` --scale ${scale}`
  return table(
    ['scenario', 'demanded', 'measured', 'holds', 's', 'command'],
    shown.map(({ scenario, demanded, measured, holds, tookMs, name }) => [
      scenario,
      demanded,
      measured,
      holds ? 'yes' : '**no**',
      (tookMs / 1_000).toFixed(0),
      `\`pnpm prove --only ${name}${size}\``,
    ]),
  )
}
