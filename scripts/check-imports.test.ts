import { expect, test } from 'vitest'
import { checkFile, packageCycle } from './check-imports.ts'

const CORE = 'packages/core/src'

test.each([
  ['core imports the server', `${CORE}/stack.ts`, "import { createServer } from '@surefoot/server'", 'one way'],
  ['core imports testing', `${CORE}/stack.ts`, "import { createStandIn } from '@surefoot/testing'", 'one way'],
  ['core imports a web framework', `${CORE}/stack.ts`, "import { Hono } from 'hono'", 'not a dependency'],
  ['core re-exports the sdk', `${CORE}/index.ts`, "export { createClient } from '@surefoot/sdk'", 'one way'],
  ['core loads the sdk late', `${CORE}/a.ts`, "const sdk = await import('@surefoot/sdk')", 'one way'],
  ['protocol imports core', 'packages/protocol/src/a.ts', "import type { A } from '@surefoot/core'", 'one way'],
  ['protocol imports Node', 'packages/protocol/src/a.ts', "import { join } from 'node:path'", 'browser'],
  ['protocol imports Node without prefix', 'packages/protocol/src/a.ts', "import { join } from 'path'", 'browser'],
  [
    'sdk imports the server at run time',
    'packages/sdk/src/a.ts',
    "import { A } from '@surefoot/server'",
    'import type',
  ],
  ['an inline type still loads', 'packages/sdk/src/a.ts', "import { type A } from '@surefoot/server'", 'import type'],
  ['sdk imports core', 'packages/sdk/src/a.ts', "import type { A } from '@surefoot/core'", 'one way'],
  ['sdk imports Node', 'packages/sdk/src/a.ts', "import { Agent } from 'node:http'", 'browser'],
  ['testing imports core', 'packages/testing/src/a.ts', "import { A } from '@surefoot/core'", 'one way'],
  [
    'server needs testing outside its CLI',
    'packages/server/src/a.ts',
    "import { A } from '@surefoot/testing'",
    'one way',
  ],
  ['the page imports core', 'apps/demo/src/page/a.tsx', "import { A } from '@surefoot/core'", 'one way'],
  ['the page imports the process', 'apps/demo/src/page/a.tsx', "import { port } from '../main.ts'", 'process'],
  ['what page and process share imports Node', 'apps/demo/src/shared/a.ts', "import { A } from 'node:net'", 'browser'],
  ['the process imports the sdk', 'apps/demo/src/main.ts', "import { A } from '@surefoot/sdk'", 'one way'],
  ['a relative import leaves its package', `${CORE}/a.ts`, "import { A } from '../../protocol/src/a.ts'", 'leaves'],
  ['a test leaves its package', `${CORE}/a.test.ts`, "import { A } from '../../protocol/src/a.ts'", 'leaves'],
  [
    'a package is entered by the back door',
    `${CORE}/a.ts`,
    "import { A } from '@surefoot/protocol/src/a.ts'",
    'public',
  ],
  ['a layer imports a layer', `${CORE}/layers/retry.ts`, "import { hedge } from './hedge.ts'", 'must not know'],
  [
    'a layer in a folder does',
    `${CORE}/layers/dispatch/pick.ts`,
    "import type { A } from '../retry.ts'",
    'must not know',
  ],
  [
    'a layer imports a transport',
    `${CORE}/layers/retry.ts`,
    "import { A } from '../transports/ollama.ts'",
    'transport',
  ],
  ['core makes a date', `${CORE}/a.ts`, 'const at = new Date().toISOString()', 'time comes from'],
  [
    'core imports timers',
    `${CORE}/a.ts`,
    "import { setTimeout as sleep } from 'node:timers/promises'",
    'time comes from',
  ],
  ['everything is exported', 'packages/sdk/src/index.ts', "export * from './client.ts'", 'export *'],
])('%s', (_name, file, source, message) => {
  expect(checkFile(file, source)).toEqual([{ file, line: 1, message: expect.stringContaining(message) }])
})

test.each([
  [`${CORE}/a.ts`, "import { Pool } from 'undici'\nimport { readFile } from 'node:fs/promises'"],
  [`${CORE}/a.test.ts`, "import { createStandIn } from '@surefoot/testing'\nconst at = new Date()"],
  [`${CORE}/surefoot.ts`, "import { createOllamaTransport } from './transports/ollama.ts'"],
  [`${CORE}/stack.ts`, "import { retry } from './layers/retry.ts'"],
  [`${CORE}/layers/retry.test.ts`, "import { retry } from './retry.ts'"],
  [`${CORE}/layers/dispatch/index.ts`, "import { pick } from './pick.ts'"],
  [`${CORE}/runtime/system.ts`, 'const at = new Date()'],
  [`${CORE}/a.ts`, "/**\n * import { A } from '@surefoot/server'\n */\n// new Date(0) would do as well"],
  ['packages/sdk/src/a.ts', "import type { Router } from '@surefoot/server'\nimport { A } from '@surefoot/protocol'"],
  ['packages/server/src/cli/demo.ts', "import { createStandIn } from '@surefoot/testing'"],
  ['apps/demo/src/page/a.tsx', "import { createRoot } from 'react-dom/client'\nimport './page.css'"],
  ['apps/demo/src/page/a.tsx', "import { teachers } from '../shared/teachers.ts'"],
  ['apps/demo/test/page.test.ts', "import { findChromium } from '../../../scripts/chromium.ts'"],
])('%s may', (file, source) => {
  expect(checkFile(file, source)).toEqual([])
})

test('an import over several lines is found at its first line', () => {
  const source = "\nimport {\n  createServer,\n  type Server,\n} from '@surefoot/server'\n"
  expect(checkFile(`${CORE}/a.ts`, source)).toMatchObject([{ line: 2 }])
})

test('a cycle of packages is named', () => {
  const a = { name: 'a', dependencies: { b: '1' } }
  const b = { name: 'b', devDependencies: { c: '1' } }
  expect(packageCycle([a, b, { name: 'c', peerDependencies: { a: '1' } }])).toEqual(['a', 'b', 'c', 'a'])
  expect(packageCycle([a, b, { name: 'c' }])).toBeUndefined()
})
