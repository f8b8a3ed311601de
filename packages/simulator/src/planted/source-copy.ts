import { cp, mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { Edit, PlantedFault } from './planted-fault.ts'

const PACKAGES = join(import.meta.dirname, '../../..')
/** What a simulation runs. */
const COPIED = ['protocol', 'core', 'testing', 'simulator'] as const
const SCOPE = '@surefoot'

/** The sources that a simulation runs, in a folder of their own, with a fault in them. */
export interface SourceCopy extends AsyncDisposable {
  /** The thread that simulates with them. */
  readonly worker: URL
}

/** @throws Error when a fault cannot be planted any more, with its name. */
export async function copySources(fault: PlantedFault | undefined): Promise<SourceCopy> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'surefoot-planted-')))
  const copy: SourceCopy = {
    worker: pathToFileURL(join(folder, 'simulator/src/cli/worker.ts')),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
  try {
    for (const name of COPIED) await copyPackage(name, folder)
    if (fault !== undefined) await plant(fault, join(folder, 'core/src'))
    return copy
  } catch (error) {
    await copy[Symbol.asyncDispose]()
    throw error
  }
}

/** The faults that can no longer be planted, with the reason of each. */
export async function faultsThatDoNotApply(faults: readonly PlantedFault[]): Promise<string[]> {
  const reasons = await Promise.all(
    faults.map((fault) =>
      patched(fault, join(PACKAGES, 'core/src')).then(
        () => [],
        (error: Error) => [error.message],
      ),
    ),
  )
  return reasons.flat()
}

async function copyPackage(name: string, folder: string): Promise<void> {
  const [from, to] = [join(PACKAGES, name), join(folder, name)]
  await cp(join(from, 'src'), join(to, 'src'), { recursive: true, filter: (path) => !path.endsWith('.test.ts') })
  await cp(join(from, 'package.json'), join(to, 'package.json'))
  await mkdir(join(to, 'node_modules', SCOPE), { recursive: true })
  for (const dependency of await readdir(join(from, 'node_modules'))) {
    if (dependency.startsWith('.') || dependency === SCOPE) continue
    await symlink(await realpath(join(from, 'node_modules', dependency)), join(to, 'node_modules', dependency))
  }
  for (const other of COPIED) await symlink(join(folder, other), join(to, 'node_modules', SCOPE, other))
}

async function plant(fault: PlantedFault, core: string): Promise<void> {
  for (const [file, text] of await patched(fault, core)) await writeFile(join(core, file), text)
}

/** The changed texts by file. */
async function patched({ name, edits }: PlantedFault, core: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  for (const edit of edits) {
    const text = texts.get(edit.file) ?? (await readFile(join(core, edit.file), 'utf8').catch(() => ''))
    texts.set(edit.file, applied(edit, text, name))
  }
  return texts
}

function applied({ file, find, put }: Edit, text: string, name: string): string {
  const parts = text.split(find)
  if (parts.length === 2) return parts.join(put)
  const found = parts.length === 1 ? 'is not there' : `is there ${parts.length - 1} times`
  throw new Error(`"${name}" does not apply any more: its place in core/src/${file} ${found}`)
}
