import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createReadmeProject, readmeBlocks } from './readme-blocks.ts'
import { ROOT } from './source-files.ts'
import type { Addresses, ReadmeBlock, ReadmeProject } from './readme-blocks.ts'

const pages = globSync(['README.md', 'packages/*/README.md', 'docs/guides/*.md'], { cwd: ROOT }).toSorted()
const blocks = pages.flatMap((page) => readmeBlocks(page, readFileSync(join(ROOT, page), 'utf8')))

function named(some: readonly ReadmeBlock[]): (readonly [string, ReadmeBlock])[] {
  return some.map((block) => [`${block.page}:${block.line}`, block])
}

describe.runIf(blocks.length > 0)('the TypeScript of the pages', () => {
  let project: ReadmeProject
  let stage: Addresses & AsyncDisposable
  let errors: ReadonlyMap<ReadmeBlock, string>

  beforeAll(async () => {
    const { createReadmeStage } = await import('./readme-stage.ts')
    stage = await createReadmeStage()
    project = createReadmeProject(blocks)
    errors = await project.typeErrors()
  })

  afterAll(async () => {
    project?.[Symbol.dispose]()
    await stage?.[Symbol.asyncDispose]()
  })

  test.each(named(blocks))('%s compiles', (_where, block) => {
    expect(errors.get(block)).toBeUndefined()
  })

  test.each(named(blocks.filter(({ isRun }) => isRun)))('%s runs', async (_where, block) => {
    const result = await project.run(block, stage)
    expect(result, result.stderr).toMatchObject({ status: 0 })
  })
})

describe('blocks of a page', () => {
  const markdown = [
    '# Page',
    '```ts',
    "import { SurefootError } from '@surefoot/protocol'",
    "console.log(typeof SurefootError, process.env.OLLAMA_BASE_URL, 'http://gpu-a:11434', 'http://localhost:8000')",
    '```',
    '```ts no-run',
    "const text: string = 'never run'",
    'throw new Error(text + missing)',
    '```',
    '```tsx',
    'export const Page = () => <p>Hello</p>',
    '```',
    '```sh',
    'pnpm demo',
    '```',
  ].join('\n')

  const found = readmeBlocks('page.md', markdown)

  test('are found with their lines and marks', () => {
    expect(found.map(({ line, extension, isRun }) => ({ line, extension, isRun }))).toEqual([
      { line: 3, extension: 'ts', isRun: true },
      { line: 7, extension: 'ts', isRun: false },
      { line: 11, extension: 'tsx', isRun: false },
    ])
  })

  test('are compiled and run as in a project of their own', async () => {
    using project = createReadmeProject(found)
    const [first, second] = found
    const errors = await project.typeErrors()
    expect([...errors.keys()]).toEqual([second])
    expect(errors.get(second!)).toMatch(/^\(8,.*missing/)
    const result = await project.run(first!, { ollamaUrl: 'http://ollama.test', surefootUrl: 'http://surefoot.test' })
    expect(result).toEqual({
      status: 0,
      stdout: 'function http://ollama.test http://ollama.test http://surefoot.test\n',
      stderr: '',
    })
  })
})
