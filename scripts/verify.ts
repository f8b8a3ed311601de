import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { checkHygiene } from './check-hygiene.ts'
import { checkImports } from './check-imports.ts'
import { checkPackages } from './check-packages.ts'
import { runCommand, runPnpm } from './run-command.ts'
import { ROOT } from './source-files.ts'
import { violationToLine } from './violation.ts'

/** One check: what there is to say about its failure, or `undefined` when all is well. */
type Check = () => string | undefined | Promise<string | undefined>

const violations = (check: () => Parameters<typeof violationToLine>[0][]) => (): string | undefined =>
  check().map(violationToLine).join('\n') || undefined

// Not every registry has the part of oxlint that knows types for every platform; Linux has it, and so has CI.
const hasTypesForLint = canResolve(`@oxlint-tsgolint/${process.platform}-${process.arch}/package.json`)

// The order is from the quickest answer to the slowest, but lint sees the types of a package through what `types` made of
// it, and `packages` needs what `build` made.
const STEPS: Readonly<Record<string, Check>> = {
  format: () => runCommand('oxfmt', ['--check']),
  imports: violations(checkImports),
  hygiene: violations(checkHygiene),
  // Loaded late: it imports sources of the packages, and a broken one is a fault of this step alone.
  reference: async () => (await import('./check-reference.ts')).checkReference(),
  // Forced, because an incremental build keeps errors that a change of the options has ended.
  types: () => runCommand('tsc', ['-b', '--force']),
  [hasTypesForLint ? 'lint' : 'lint without types']: () =>
    runCommand('oxlint', ['--deny-warnings', ...(hasTypesForLint ? ['--type-aware'] : [])]),
  'types of tests': () => runCommand('tsc', ['-p', 'tsconfig.tests.json']),
  'types of scripts': () => runCommand('tsc', ['-p', 'scripts']),
  'unused code': () => runCommand('knip', ['--no-progress']),
  build: () => runPnpm(['run', 'build']),
  packages: checkPackages,
}

function canResolve(name: string): boolean {
  try {
    createRequire(realpathSync(join(ROOT, 'node_modules/oxlint-tsgolint/package.json'))).resolve(name)
    return true
  } catch {
    return false
  }
}

let failed = 0
for (const [name, check] of Object.entries(STEPS)) {
  const startedAtMs = performance.now()
  let fault: string | undefined
  try {
    fault = await check()
  } catch (error) {
    fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
  console.log(`${fault === undefined ? 'ok    ' : 'FAILED'} ${name.padEnd(18)}${seconds.padStart(6)} s`)
  if (fault !== undefined) {
    failed += 1
    console.log(`\n${fault.trim()}\n`)
  }
}
console.log(`${Object.keys(STEPS).length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
