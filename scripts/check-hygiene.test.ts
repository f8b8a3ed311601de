import { expect, test } from 'vitest'
import { checkText } from './check-hygiene.ts'

// Put together here, so that this file is clean itself.
const todo = 'TO' + 'DO'

test.each([
  ['pnpm-lock.yaml', 'resolution: {tarball: x.tgz}', 'download address'],
  ['pnpm-lock.yaml', 'url: https:' + '//registry.example/x', 'download address'],
  ['README.md', 'see `/ho' + 'me/ada/surefoot`', 'one machine'],
  ['packages/core/src/a.ts', `// ${todo}: later`, 'open an issue'],
  ['packages/core/src/a.test.ts', 'test' + ".only('x', () => {})", 'left out'],
  ['packages/core/src/a.test.ts', 'describe' + '.concurrent.skip()', 'left out'],
  ['a.ts', `const key = 'sk-${'a'.repeat(24)}'`, 'secret'],
])('%s: %s', (file, text, message) => {
  expect(checkText(file, `\n${text}\n`)).toEqual([{ file, line: 2, message: expect.stringContaining(message) }])
})

test.each([
  ['pnpm-lock.yaml', 'resolution: {integrity: sha512-x==}'],
  ['README.md', 'GET https://example.org/work/x and `/api/chat`'],
  ['packages/core/src/a.test.ts', "test.skipIf(chromium === undefined)('x', () => {})"],
])('%s may contain %s', (file, text) => {
  expect(checkText(file, text)).toEqual([])
})
