import { copyFileSync, globSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { chromiumLaunchOptions, findChromium } from './scripts/chromium.ts'

const root = import.meta.dirname

/** Packages resolve to their sources, so that no test needs a build. */
const conditions = ['@surefoot/source', 'module', 'development|production']

const shared = {
  testTimeout: 20_000,
  hookTimeout: 20_000,
  restoreMocks: true,
}

const typeTests = '{packages,apps}/*/{src,test}/**/*.test-d.ts'

const browserTests = '**/*.browser.test.{ts,tsx}'

/** msw works in a browser only with its worker script beside the page; it comes from the installed msw, never a copy. */
function browserPublicDir(): string {
  const publicDir = `${root}/node_modules/.cache/browser-public`
  mkdirSync(publicDir, { recursive: true })
  const fromSdk = createRequire(`${root}/packages/sdk/package.json`)
  copyFileSync(fromSdk.resolve('msw/mockServiceWorker.js'), `${publicDir}/mockServiceWorker.js`)
  return publicDir
}

/** Files that hold bounds on the clock of one process: beside others they would measure those. */
const clockTests = ['packages/core/test/abort.test.ts', 'packages/core/test/degrade.test.ts']

const nodeProject = {
  resolve: { conditions: [...conditions, 'node'] },
  ssr: { resolve: { conditions: [...conditions, 'node'] } },
  test: {
    ...shared,
    name: 'node',
    include: ['{packages,apps}/*/{src,test}/**/*.test.{ts,tsx}', 'scripts/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', browserTests, ...clockTests],
  },
}

/** After all the others, one at a time. */
const clockProject = {
  ...nodeProject,
  test: {
    ...nodeProject.test,
    name: 'clock',
    include: clockTests,
    exclude: ['**/node_modules/**'],
    maxWorkers: 1,
    sequence: { groupOrder: 1 },
  },
}

const typesProject = {
  test: {
    name: 'types',
    include: [],
    typecheck: {
      enabled: true,
      only: true,
      checker: 'tsc' as const,
      tsconfig: `${root}/tsconfig.tests.json`,
      include: [typeTests],
      // An error in a source is reported once, by the types step of `pnpm verify`.
      ignoreSourceErrors: true,
    },
  },
}

function browserProject() {
  return {
    publicDir: browserPublicDir(),
    // A dependency that is found only while a test runs makes Vite reload the page under it.
    optimizeDeps: { entries: [`packages/*/src/**/${browserTests}`, 'packages/{protocol,sdk}/src/index.ts'] },
    resolve: { conditions: [...conditions, 'browser'] },
    test: {
      ...shared,
      name: 'browser',
      include: [`{packages,apps}/*/{src,test}/${browserTests}`],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        instances: [{ browser: 'chromium' as const }],
        provider: playwright({ launchOptions: chromiumLaunchOptions() }),
      },
    },
  }
}

export default defineConfig({
  test: {
    // Most of a test's time is waiting for a socket, so a small machine runs two files at once as well.
    maxWorkers: Math.max(2, Math.min(4, availableParallelism())),
    passWithNoTests: true,
    projects: [
      nodeProject,
      clockProject,
      ...(globSync(typeTests, { cwd: root }).length === 0 ? [] : [typesProject]),
      ...(findChromium() === undefined ? [] : [browserProject()]),
    ],
  },
})
