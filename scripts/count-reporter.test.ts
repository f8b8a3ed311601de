import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_CHROMIUM } from './chromium.ts'
import { countsToLine } from './count-reporter.ts'
import { ROOT } from './source-files.ts'

test('the line names the skipped only where there are any', () => {
  expect(countsToLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed')
  expect(countsToLine({ passed: 1, failed: 2, skipped: 3 })).toBe('1 passed, 2 failed, 3 skipped')
})

describe('a run', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'surefoot-count-'))
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const head = "import { expect, test } from 'vitest'\n"
    const skipped = `test${'.skip'}('left out', () => {})\n`
    writeFileSync(join(folder, 'good.test.ts'), `${head}test('passes', () => expect(1).toBe(1))\n`)
    writeFileSync(join(folder, 'bad.test.ts'), `${head}test('fails', () => expect(1).toBe(2))\n${skipped}`)
    writeFileSync(join(folder, 'broken.test.ts'), "import './missing.ts'\n")
  })

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  function run(file: string, env: Record<string, string>): { status: number | null; lines: string[] } {
    const reporter = join(ROOT, 'scripts/count-reporter.ts')
    const args = ['run', '--root', folder, '--reporter=default', `--reporter=${reporter}`, file]
    const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/vitest'), args, {
      env: { PATH: process.env.PATH, NO_COLOR: '1', ...env },
      encoding: 'utf8',
    })
    return { status, lines: stdout.trimEnd().split('\n') }
  }

  test('counts a file that cannot be loaded as failed and ends with the count', () => {
    const { status, lines } = run('', { CHROMIUM_PATH: process.execPath })
    expect(lines.at(-1)).toBe('1 passed, 2 failed, 1 skipped')
    expect(status).toBe(1)
  })

  test('says before the count that there was no browser', () => {
    const { status, lines } = run('good', { CHROMIUM_PATH: '/no/such/chromium' })
    expect(lines.slice(-2)).toEqual([NO_CHROMIUM, '1 passed, 0 failed'])
    expect(status).toBe(0)
  })

  test('fails without a browser where one is required', () => {
    const { status, lines } = run('good', { CHROMIUM_PATH: '/no/such/chromium', SUREFOOT_REQUIRE_BROWSER: '1' })
    expect(lines.slice(-2)).toEqual([NO_CHROMIUM, '1 passed, 1 failed'])
    expect(status).toBe(1)
  })
})
