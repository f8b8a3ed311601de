import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ROOT } from './source-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'surefoot-lint-'))

const faults: readonly (readonly [code: string, rule: string])[] = [
  ['export const at = Date.now()', 'eslint(no-restricted-properties)'],
  ['export const chance = Math.random()', 'eslint(no-restricted-properties)'],
  ['export const signal = AbortSignal.timeout(5)', 'eslint(no-restricted-properties)'],
  ['export const later = globalThis.setTimeout', 'eslint(no-restricted-properties)'],
  ['export const at = performance.now()', 'eslint(no-restricted-globals)'],
  ['setTimeout(() => {}, 5)', 'eslint(no-restricted-globals)'],
  ['setInterval(() => {}, 5)', 'eslint(no-restricted-globals)'],
  ['setImmediate(() => {})', 'eslint(no-restricted-globals)'],
  ["export const answer = await fetch('http://localhost')", 'eslint(no-restricted-globals)'],
  ['export default 1', 'import(no-default-export)'],
  ['export const a = (b: any): number => b', 'typescript(no-explicit-any)'],
  ['const unused = 1', 'eslint(no-unused-vars)'],
  ["console.log('x')", 'eslint(no-console)'],
]

const clean = {
  'packages/core/src/runtime/system.ts': 'export const at = Date.now()\nsetTimeout(() => {}, 5)\n',
  'packages/core/src/a.test.ts': 'export const at = Date.now()\nsetTimeout(() => {}, 5)\n',
  'packages/core/src/b.ts': 'export const wait = (timers: { setTimeout(): void }): void => timers.setTimeout()\n',
  'vite.config.ts': 'export default {}\n',
}

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function write(file: string, code: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), code)
}

test('lint finds every fault in core, each once, and nothing where it is allowed', () => {
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  for (const [index, [code]] of faults.entries()) write(`packages/core/src/fault-${index}.ts`, code)
  for (const [file, code] of Object.entries(clean)) write(file, code)

  const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), ['-f', 'json'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[] }
  const found = diagnostics.map(({ filename, code }) => `${filename} ${code}`).toSorted()
  expect(found).toEqual(faults.map(([, rule], index) => `packages/core/src/fault-${index}.ts ${rule}`).toSorted())
})
