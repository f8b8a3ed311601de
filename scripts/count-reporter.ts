import type { Reporter, TestModule } from 'vitest/node'
import { findChromium, isBrowserRequired, NO_CHROMIUM } from './chromium.ts'

/** What a test run came to. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** The last line of a run: `12 passed, 0 failed`, with the skipped ones where there are any. */
export function countsToLine(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`
}

/** Counts tests; a file that cannot be loaded, a failed hook and an error outside any test count as one failure each. */
export function countModules(modules: ReadonlyArray<TestModule>, unhandledErrors: number): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors, skipped: 0 }
  for (const module of modules) {
    counts.failed += module.errors().length
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') counts.passed += 1
      else if (state === 'failed') counts.failed += 1
      else counts.skipped += 1
    }
  }
  return counts
}

/** A vitest reporter whose only output is the count, as the very last line, after the summary and any coverage table. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    const counts = countModules(modules, unhandledErrors.length)
    const isBrowserMissing = findChromium() === undefined
    if (isBrowserMissing && isBrowserRequired()) counts.failed += 1
    process.once('exit', () => {
      if (isBrowserMissing) console.log(NO_CHROMIUM)
      if (counts.failed > 0) process.exitCode = 1
      console.log(countsToLine(counts))
    })
  }
}
