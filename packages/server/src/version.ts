import { readFileSync } from 'node:fs'

/** The version of this package, as in its package.json. */
export const version: string = readVersion()

function readVersion(): string {
  // One level up from both `src` and `dist`.
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
