import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const demo = dirname(dirname(fileURLToPath(import.meta.url)))
const packages = join(demo, '../../packages')

/** Where the built page lies. */
export const PAGE_FOLDER: string = join(demo, 'dist/page')

/** All that the page is made of: its own files and the two packages it imports. */
const SOURCES: readonly string[] = [
  join(demo, 'index.html'),
  join(demo, 'vite.config.ts'),
  join(demo, 'package.json'),
  join(demo, 'public'),
  join(demo, 'src/page'),
  join(demo, 'src/shared'),
  join(packages, 'protocol/src'),
  join(packages, 'sdk/src'),
]

/** Builds the page with Vite where it is missing or older than its sources. @returns whether it had to be built */
export async function buildPage(onBuild: () => void): Promise<boolean> {
  if (!isStale(join(PAGE_FOLDER, 'index.html'), SOURCES)) return false
  onBuild()
  // Loaded only when needed: a start with a fresh page does without Vite.
  const { build } = await import('vite')
  await build({ root: demo, configFile: join(demo, 'vite.config.ts'), logLevel: 'warn' })
  return true
}

/** Whether a built file is missing or older than any of its sources. */
export function isStale(built: string, sources: readonly string[]): boolean {
  const builtAtMs = statSync(built, { throwIfNoEntry: false })?.mtimeMs
  return builtAtMs === undefined || sources.some((source) => newestAtMs(source) > builtAtMs)
}

function newestAtMs(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.mtimeMs
  const inside = readdirSync(path).map((name) => newestAtMs(join(path, name)))
  // The folder's own time tells of files that were taken away.
  return Math.max(found.mtimeMs, ...inside)
}
