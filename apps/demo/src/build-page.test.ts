import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { isStale } from './build-page.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'page-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, atSeconds: number): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, '')
  utimesSync(path, atSeconds, atSeconds)
  return path
}

it('a page is built when it is missing or older than any of its sources, however deep', () => {
  const source = write('src/deep/a.ts', 1000)
  for (const inner of ['src', 'src/deep']) utimesSync(join(folder, inner), 1000, 1000)
  const sources = [join(folder, 'src'), join(folder, 'no-such-file')]
  expect(isStale(join(folder, 'page.html'), sources)).toBe(true)

  const built = write('page.html', 2000)
  expect(isStale(built, sources)).toBe(false)

  utimesSync(source, 3000, 3000)
  expect(isStale(built, sources)).toBe(true)
})
