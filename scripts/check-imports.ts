import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import { blankComments, importStatements, lineAt } from './import-statements.ts'
import { readWorkspaceFile, workspaceFiles } from './source-files.ts'
import type { ImportStatement } from './import-statements.ts'
import type { Violation } from './violation.ts'

/** What the files of one room may import beside their own files. */
interface Room {
  /** The files it holds for; the first room that matches is the one. */
  readonly files: RegExp
  /** Packages of the workspace. */
  readonly may: readonly string[]
  /** Packages of the workspace whose types alone may be imported. */
  readonly mayTypes?: readonly string[]
  /** Packages from the registry; all the declared ones where this is missing. */
  readonly outside?: readonly string[]
  /** Whether Node's own modules are there. */
  readonly node: boolean
}

/** Imports run one way: protocol ← core ← server ← demo, protocol ← sdk ← the demo's page, protocol ← testing. */
const ROOMS: readonly Room[] = [
  { files: /^packages\/protocol\/src\//, may: [], outside: ['zod'], node: false },
  {
    files: /^packages\/core\/src\//,
    may: ['protocol'],
    outside: ['undici', 'cockatiel', 'lru-cache', 'pino', 'redis', 'zod'],
    node: true,
  },
  { files: /^packages\/server\/src\/cli\//, may: ['protocol', 'core', 'testing'], node: true },
  { files: /^packages\/server\/src\//, may: ['protocol', 'core'], node: true },
  { files: /^packages\/sdk\/src\//, may: ['protocol'], mayTypes: ['server'], node: false },
  { files: /^packages\/testing\/src\//, may: ['protocol'], node: true },
  { files: /^packages\/simulator\/src\//, may: ['protocol', 'core', 'testing'], node: true },
  { files: /^apps\/demo\/src\/shared\//, may: ['protocol'], outside: ['zod'], node: false },
  { files: /^apps\/demo\/src\/page\//, may: ['protocol', 'sdk'], outside: ['react', 'react-dom'], node: false },
  { files: /^apps\/demo\/src\//, may: ['protocol', 'core', 'server', 'testing'], node: true },
]

const TEST = /\.(test|test-d|bench)\.tsx?$|^(packages|apps)\/[^/]+\/test\//
const SOURCE = /^(packages|apps)\/[^/]+\/.*\.tsx?$/
const LAYERS = 'packages/core/src/layers/'
/** What of the demo runs in the browser; `shared` is the words that page and process have in common. */
const PAGE = /^apps\/demo\/src\/(page|shared)\//
const TRANSPORTS = 'packages/core/src/transports/'

/** Where the parts are put together. */
const WIRING: ReadonlySet<string> = new Set(['packages/core/src/surefoot.ts', 'packages/core/src/build-stack.ts'])

/** Node's own ways to time and randomness, which lint cannot see because they are imported. */
const TIME_MODULES = ['node:timers', 'node:timers/promises', 'node:perf_hooks']

/** Every violation of the import rules in one source file; `file` is its path from the root of the workspace. */
export function checkFile(file: string, source: string): Violation[] {
  if (!SOURCE.test(file)) return []
  const found = importStatements(source).flatMap((statement) => {
    const message = isRelative(statement.specifier)
      ? relativeImportFault(file, statement)
      : packageImportFault(file, statement)
    return message === undefined ? [] : [{ file, line: statement.line, message }]
  })
  const code = blankComments(source)
  for (const match of code.matchAll(/^export \*/gm)) {
    found.push({ file, line: lineAt(code, match.index), message: 'name what is exported instead of `export *`' })
  }
  if (isCoreWithoutRuntime(file)) {
    for (const match of code.matchAll(/\bnew Date\(/g)) {
      found.push({ file, line: lineAt(code, match.index), message: '`new Date()`: time comes from src/runtime' })
    }
  }
  return found
}

function packageImportFault(file: string, { specifier, isTypeOnly }: ImportStatement): string | undefined {
  if (/^@surefoot\/[^/]+\/(src|dist)(\/|$)/.test(specifier)) return `${specifier}: import the public name instead`
  if (isCoreWithoutRuntime(file) && TIME_MODULES.includes(specifier)) return `${specifier}: time comes from src/runtime`
  const room = ROOMS.find(({ files }) => files.test(file))
  if (room === undefined || TEST.test(file)) return undefined
  if (isNodeModule(specifier)) return room.node ? undefined : `${specifier}: this code runs in a browser`

  const name = packageName(specifier)
  if (!name.startsWith('@surefoot/')) {
    return room.outside?.includes(name) === false ? `${name} is not a dependency of this part` : undefined
  }
  const neighbour = name.slice('@surefoot/'.length)
  if (room.may.includes(neighbour)) return undefined
  if (room.mayTypes?.includes(neighbour)) return isTypeOnly ? undefined : `${name}: only \`import type\` from here`
  return `${name} must not be imported from here: imports run one way`
}

function relativeImportFault(file: string, { specifier, isTypeOnly }: ImportStatement): string | undefined {
  const target = posix.join(posix.dirname(file), specifier)
  const home = file.split('/').slice(0, 2).join('/') + '/'
  const isTest = TEST.test(file)
  if (!target.startsWith(home)) {
    return isTest && target === 'scripts/chromium.ts' ? undefined : `${specifier} leaves the package`
  }
  if (target.startsWith(LAYERS) && file.startsWith(LAYERS) && layerOf(target) !== layerOf(file)) {
    return `layer ${layerOf(file)} must not know layer ${layerOf(target)}`
  }
  const isWiring = file.startsWith(TRANSPORTS) || WIRING.has(file)
  if (target.startsWith(TRANSPORTS) && !isWiring && !isTest)
    return 'only surefoot.ts and build-stack.ts may import a transport'
  const isInBrowser = PAGE.test(file) && !isTest && !isTypeOnly
  if (isInBrowser && !PAGE.test(target)) return `${specifier}: the page imports nothing of the process`
  return undefined
}

/** `layers/retry.ts`, `layers/retry.test.ts` and `layers/retry/backoff.ts` belong to one layer. */
function layerOf(file: string): string {
  return (file.slice(LAYERS.length).split('/')[0] ?? '').replace(/\..*$/, '')
}

function isCoreWithoutRuntime(file: string): boolean {
  return file.startsWith('packages/core/src/') && !file.startsWith('packages/core/src/runtime/') && !TEST.test(file)
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.')
}

function isNodeModule(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier)
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The parts of a package.json that say what a package needs. */
export interface PackageManifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** The first cycle among packages, as the names along it, or `undefined`. Needs of development count: they order builds. */
export function packageCycle(manifests: readonly PackageManifest[]): string[] | undefined {
  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]))
  const done = new Set<string>()
  function visit(name: string, path: readonly string[]): string[] | undefined {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    const manifest = byName.get(name)
    if (manifest === undefined || done.has(name)) return undefined
    const needs = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.peerDependencies }
    for (const need of Object.keys(needs)) {
      const cycle = visit(need, [...path, name])
      if (cycle !== undefined) return cycle
    }
    done.add(name)
    return undefined
  }
  for (const { name } of manifests) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** Checks every source and every package.json of the workspace. */
export function checkImports(): Violation[] {
  const files = workspaceFiles()
  const found = files.filter((file) => SOURCE.test(file)).flatMap((file) => checkFile(file, readWorkspaceFile(file)))
  const manifests = files.filter((file) => /^(packages|apps)\/[^/]+\/package\.json$/.test(file))
  const cycle = packageCycle(manifests.map((file) => JSON.parse(readWorkspaceFile(file)) as PackageManifest))
  if (cycle === undefined) return found
  return [...found, { file: 'package.json', line: 1, message: `packages need each other: ${cycle.join(' → ')}` }]
}
