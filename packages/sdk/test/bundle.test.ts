import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { build } from 'vite'
import type { Rolldown } from 'vite'
import { expect, test } from 'vitest'

/** Bundles an entry as an app for browsers would, from the sources. */
async function bundle(entry: string): Promise<string> {
  const output = (await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@surefoot/source', 'module', 'browser', 'production'] },
    build: {
      write: false,
      minify: true,
      rolldownOptions: {
        input: fileURLToPath(new URL(`../src/${entry}`, import.meta.url)),
        preserveEntrySignatures: 'strict',
        output: { codeSplitting: false },
        // Vite replaces a built-in of Node by an empty module and only warns.
        onwarn: (warning) => {
          throw new Error(warning.message)
        },
      },
    },
  })) as Rolldown.RolldownOutput
  return output.output.map((file) => (file.type === 'chunk' ? file.code : '')).join('')
}

/** Measured, and a tenth more. The README says the measured size. */
test.each([
  ['index.ts', 23.2],
  ['trpc.ts', 13.5],
])('%s runs in a browser and is not larger than %s kB and a tenth', async (entry, measuredKb) => {
  const code = await bundle(entry)
  expect(code).not.toMatch(/["']node:|\brequire\(|\bprocess\.(?!env\b)|\bBuffer\b/)
  expect(code).not.toContain('__vite-browser-external')
  expect(gzipSync(code, { level: 9 }).length / 1000).toBeLessThan(measuredKb * 1.1)
})
