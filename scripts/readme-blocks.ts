import { execFile } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { lineAt } from './import-statements.ts'
import { ROOT } from './source-files.ts'

/** A TypeScript block of a page: ` ```ts ` or ` ```tsx `. */
export interface ReadmeBlock {
  readonly page: string
  /** The 1-based line of the page where the code begins. */
  readonly line: number
  readonly extension: 'ts' | 'tsx'
  readonly code: string
  /** Every `ts` block is run, but those marked ` ```ts no-run `; a `tsx` block is only compiled. */
  readonly isRun: boolean
}

/** The TypeScript blocks of a Markdown page, from top to bottom. */
export function readmeBlocks(page: string, markdown: string): ReadmeBlock[] {
  return [...markdown.matchAll(/^```(tsx?)([^\n]*)\n([\s\S]*?)^```/gm)].map((match) => {
    const extension = match[1] === 'tsx' ? 'tsx' : 'ts'
    const isRun = extension === 'ts' && !/\bno-run\b/.test(match[2] ?? '')
    return { page, line: lineAt(markdown, match.index) + 1, extension, code: match[3] ?? '', isRun }
  })
}

/** Where the blocks find what they talk to. */
export interface Addresses {
  readonly ollamaUrl: string
  readonly surefootUrl: string
}

/** How a block ended. */
export interface BlockResult {
  readonly status: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** The blocks as files of a project of their own, which has the workspace's packages installed as a user would. */
export interface ReadmeProject extends Disposable {
  /** What the compiler says about each block, with the lines of the page; blocks without an error are missing. */
  typeErrors(): Promise<ReadonlyMap<ReadmeBlock, string>>
  /** Runs a block: every Ollama on port 11434 is the stand-in, every Surefoot on port 8000 the test's server. */
  run(block: ReadmeBlock, addresses: Addresses): Promise<BlockResult>
}

/** Writes the blocks into a new folder outside of the workspace, where nothing but the public names can be imported. */
export function createReadmeProject(blocks: readonly ReadmeBlock[]): ReadmeProject {
  const folder = mkdtempSync(join(tmpdir(), 'surefoot-readme-'))
  const names = new Map(blocks.map((block, index) => [block, `block-${index}`]))
  linkInstalledPackages(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(compilerConfig()))
  for (const [block, name] of names) writeFileSync(join(folder, `${name}.${block.extension}`), codeOf(block))

  return {
    async typeErrors() {
      const { stdout } = await execute(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], {})
      const errors = new Map<ReadmeBlock, string>()
      for (const [block, name] of names) {
        const lines = stdout.split('\n').filter((line) => line.includes(`${name}.${block.extension}(`))
        if (lines.length > 0) errors.set(block, lines.map((line) => line.slice(line.indexOf('('))).join('\n'))
      }
      return errors
    },
    run(block, { ollamaUrl, surefootUrl }) {
      const file = join(folder, `${names.get(block)}-run.ts`)
      const code = codeOf(block)
        .replaceAll(/http:\/\/[\w.-]+:11434/g, ollamaUrl)
        .replaceAll(/http:\/\/[\w.-]+:8000/g, surefootUrl)
      writeFileSync(file, code)
      const env = { OLLAMA_BASE_URL: ollamaUrl, SUREFOOT_URL: surefootUrl }
      return execute(process.execPath, ['--conditions=@surefoot/source', file], env)
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true })
    },
  }
}

/** The code at the lines that it has in its page, so that every message points there. */
function codeOf({ code, line }: ReadmeBlock): string {
  return '\n'.repeat(line - 1) + code
}

function compilerConfig(): object {
  return {
    extends: join(ROOT, 'tsconfig.base.json'),
    compilerOptions: {
      lib: ['es2024', 'esnext.disposable', 'dom', 'dom.iterable', 'dom.asynciterable'],
      jsx: 'react-jsx',
      moduleDetection: 'force',
      composite: false,
      declaration: false,
      isolatedDeclarations: false,
      noEmit: true,
    },
    include: ['block-*'],
  }
}

function linkInstalledPackages(target: string): void {
  const homes = ['node_modules', 'packages/*/node_modules', 'apps/*/node_modules']
  const installed = homes.flatMap((home) => globSync([`${home}/[!.@]*`, `${home}/@*/*`], { cwd: ROOT }))
  const own = globSync('packages/*', { cwd: ROOT })
  const byName = new Map([
    ...installed.map((path) => [path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), path] as const),
    ...own.map((path) => [path.replace(/^packages/, '@surefoot'), path] as const),
  ])
  for (const [name, path] of byName) {
    mkdirSync(dirname(join(target, name)), { recursive: true })
    symlinkSync(join(ROOT, path), join(target, name))
  }
}

function execute(command: string, args: string[], env: Record<string, string>): Promise<BlockResult> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', ...env }, timeout: 15_000 }
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr })
    })
  })
}
